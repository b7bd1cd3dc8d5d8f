//! The connection itself: made late, kept, and honest about what was sent.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::client::RequestErrorKind;
use async_nats::connection::State;
use async_nats::{Client, ConnectOptions, Event, HeaderMap, Message, Request, Subscriber};
use bytes::Bytes;
use tokio::sync::{OnceCell, watch};
use tokio::time::{Instant, sleep, sleep_until};

use crate::settings::NatsSettings;
use crate::telemetry::Log;

/// How long one attempt to connect may take.
const CONNECT: Duration = Duration::from_secs(3);
/// A server that answers none of a few pings is gone.
const PING: Duration = Duration::from_secs(5);
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How long to wait for what a server that has just started does not serve yet.
const NOBODY: Duration = Duration::from_millis(50);

/// Why there is no answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Lost {
    /// NATS is away: nothing was sent.
    Away,
    /// It was sent, and nobody serves its subject: nothing was done.
    Nobody,
    /// It was sent, and may have been done.
    Unanswered,
}

/// The connection of this worker.
pub(crate) struct Nats {
    settings: NatsSettings,
    client: OnceCell<Client>,
    standing: Arc<Standing>,
}

impl std::fmt::Debug for Nats {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let servers = &self.settings.servers;
        formatter
            .debug_struct("Nats")
            .field("servers", servers)
            .finish_non_exhaustive()
    }
}

impl Nats {
    pub(crate) fn new(settings: NatsSettings, log: Log) -> Arc<Self> {
        Arc::new(Self {
            settings,
            client: OnceCell::new(),
            standing: Arc::new(Standing {
                up: watch::Sender::new(false),
                wrong: Mutex::default(),
                log,
            }),
        })
    }

    /// The lattice's name.
    pub(crate) fn lattice(&self) -> &str {
        &self.settings.lattice
    }

    /// How many servers keep each stream.
    pub(crate) fn replicas(&self) -> u32 {
        self.settings.replicas
    }

    /// The client while it is connected; waits for that until then.
    async fn client(&self, until: Instant) -> Result<&Client, Lost> {
        let connect = async || connect(&self.settings, self.standing.clone()).await;
        let client = self.client.get_or_try_init(connect).await;
        let client = client.map_err(|problem| {
            self.standing.complain(problem);
            Lost::Away
        })?;
        let mut up = self.standing.up.subscribe();
        loop {
            // What is told comes a little after what is so, in both directions.
            if client.connection_state() == State::Connected && *up.borrow_and_update() {
                return Ok(client);
            }
            tokio::select! {
                _ = up.changed() => {}
                () = sleep(SHORTEST_PAUSE) => {}
                () = sleep_until(until) => return Err(Lost::Away),
            }
        }
    }

    /// Waits until the connection has broken.
    pub(crate) async fn broken(&self) {
        // The sender lives in `self`, so that this can only end by the state.
        let _ = self.standing.up.subscribe().wait_for(|up| !*up).await;
    }

    /// Sends something and waits for the answer, until then at the latest.
    pub(crate) async fn request(
        &self,
        subject: &str,
        headers: &HeaderMap,
        payload: &Bytes,
        until: Instant,
    ) -> Result<Message, Lost> {
        let client = self.client(until).await?;
        let mut request = Request::new().payload(payload.clone()).timeout(None);
        if !headers.is_empty() {
            request = request.headers(headers.clone());
        }
        tokio::select! {
            answer = client.send_request(subject.to_owned(), request) => match answer {
                Ok(answer) => Ok(answer),
                Err(error) if error.kind() == RequestErrorKind::NoResponders => Err(Lost::Nobody),
                Err(error) if error.kind() == RequestErrorKind::MaxPayloadExceeded => Err(Lost::Away),
                Err(_) => Err(Lost::Unanswered),
            },
            () = self.broken() => Err(Lost::Unanswered),
            () = sleep_until(until) => Err(Lost::Unanswered),
        }
    }

    /// The same, again for as long as nobody serves the subject: JetStream comes a moment after its server.
    pub(crate) async fn ask(
        &self,
        subject: &str,
        payload: &Bytes,
        until: Instant,
    ) -> Result<Message, Lost> {
        loop {
            match self
                .request(subject, &HeaderMap::new(), payload, until)
                .await
            {
                Err(Lost::Nobody) if Instant::now() + NOBODY < until => sleep(NOBODY).await,
                answer => return answer,
            }
        }
    }

    /// Sends something that nobody answers.
    pub(crate) async fn send(
        &self,
        subject: String,
        reply: Option<String>,
        headers: HeaderMap,
        payload: Bytes,
        until: Instant,
    ) -> Result<(), Lost> {
        let client = self.client(until).await?;
        let sent = match reply {
            Some(reply) => {
                let sent = client.publish_with_reply_and_headers(subject, reply, headers, payload);
                sent.await
            }
            None if headers.is_empty() => client.publish(subject, payload).await,
            None => client.publish_with_headers(subject, headers, payload).await,
        };
        sent.map_err(|_| Lost::Away)
    }

    /// What comes to an address of our own.
    pub(crate) async fn inbox(&self, until: Instant) -> Result<(String, Subscriber), Lost> {
        let client = self.client(until).await?;
        let address = client.new_inbox();
        let subscriber = client.subscribe(address.clone()).await;
        Ok((address, subscriber.map_err(|_| Lost::Away)?))
    }

    /// Bytes of the largest message, once it was connected.
    pub(crate) async fn largest(&self, until: Instant) -> Result<usize, Lost> {
        Ok(self.client(until).await?.max_payload())
    }
}

/// A client that connects in the background and never gives up; the error says what is wrong with the settings.
async fn connect(settings: &NatsSettings, standing: Arc<Standing>) -> Result<Client, String> {
    let options = options(settings)?
        .name("wisp worker")
        .retry_on_initial_connect()
        .max_reconnects(None)
        .connection_timeout(CONNECT)
        .ping_interval(PING)
        .reconnect_delay_callback(|attempts| {
            let doubled =
                u32::try_from(attempts).map_or(u32::MAX, |attempts| 1 << attempts.min(10));
            LONGEST_PAUSE.min(SHORTEST_PAUSE * doubled)
        })
        .event_callback(move |event| {
            standing.told(&event);
            std::future::ready(())
        });
    let client = options.connect(settings.servers.clone()).await;
    client.map_err(|error| error.to_string())
}

/// How we say who we are, and whom we trust.
fn options(settings: &NatsSettings) -> Result<ConnectOptions, String> {
    let mut options = ConnectOptions::new();
    if let Some(token) = &settings.token {
        options = options.token(token.reveal().to_owned());
    }
    if let (Some(user), Some(password)) = (&settings.user, &settings.password) {
        options = options.user_and_password(user.clone(), password.reveal().to_owned());
    }
    if let Some(seed) = &settings.nkey {
        options = options.nkey(seed.reveal().to_owned());
    }
    if let Some(credentials) = &settings.credentials {
        let wrong = |error| format!("the credentials cannot be used: {error}");
        options = options.credentials(credentials.reveal()).map_err(wrong)?;
    }
    if let Some(roots) = &settings.ca {
        options = options
            .add_root_certificates(roots.clone())
            .require_tls(true);
    }
    if settings.tls_first {
        options = options.tls_first().require_tls(true);
    }
    if let (Some(certificate), Some(key)) = (&settings.certificate, &settings.key) {
        options = options.add_client_certificate(certificate.clone(), key.clone());
    }
    Ok(options)
}

/// What is known of the connection.
#[derive(Debug)]
struct Standing {
    up: watch::Sender<bool>,
    /// What was wrong last, so that it is said once.
    wrong: Mutex<String>,
    log: Log,
}

impl Standing {
    /// Remembers what an event says, and says so in the log when that is new.
    fn told(&self, event: &Event) {
        let (is_up, wrong) = match event {
            Event::Connected => (true, String::new()),
            Event::Disconnected | Event::Closed => (false, String::new()),
            Event::ServerError(error) => return self.complain(error.to_string()),
            Event::ClientError(error) => return self.complain(error.to_string()),
            _ => return,
        };
        if self.up.send_replace(is_up) == is_up {
            return;
        }
        *self.wrong.lock().unwrap_or_else(PoisonError::into_inner) = wrong;
        let (level, message) = if is_up {
            ("info", "connected to NATS")
        } else {
            (
                "warn",
                "NATS is away: stores and messages of the lattice cannot be used until it is back",
            )
        };
        self.log.worker(level, message);
    }

    fn complain(&self, wrong: String) {
        let mut known = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        if *known != wrong {
            self.log.worker("warn", &format!("NATS: {wrong}"));
            *known = wrong;
        }
    }
}
