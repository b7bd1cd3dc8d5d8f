//! The end of a call where it is made: here if the component runs here, else on a host that runs it.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::{Result, bail};

use super::Directory;
use super::envelope::{self, Reason, Refusal};
use super::error::CallError;
use super::streams;
use crate::errand::Errand;
use crate::link::{Answers, Begun, Called, Crossing, Here, Provider, Returned};
use crate::locked::LockedLink;
use crate::pool::InvokeError;
use crate::value::{Signature, Value};

/// Who makes the calls of a link.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) app: Arc<str>,
    pub(crate) component: Arc<str>,
    /// How long a call may take of which nothing better is known.
    pub(crate) timeout: Duration,
}

/// A component that may be on another host.
#[derive(Debug)]
pub(crate) struct Elsewhere {
    app: String,
    component: String,
    /// Whether a call may be made again that may have run.
    idempotent: bool,
    origin: Origin,
    directory: Arc<Directory>,
}

impl Elsewhere {
    /// What a link of this origin leads to.
    pub(crate) fn new(link: &LockedLink, origin: Origin, directory: &Arc<Directory>) -> Self {
        Self {
            app: link.app.clone().unwrap_or_else(|| origin.app.to_string()),
            component: link.component.clone(),
            idempotent: link.idempotent,
            origin,
            directory: directory.clone(),
        }
    }
}

impl Provider for Elsewhere {
    fn name(&self) -> String {
        if *self.app == *self.origin.app {
            self.component.clone()
        } else {
            format!("{}/{}", self.app, self.component)
        }
    }

    fn function(
        &self,
        interface: &str,
        name: &str,
        signature: &Signature,
    ) -> Result<Arc<dyn Answers>> {
        let target = envelope::Target {
            app: self.app.clone(),
            component: self.component.clone(),
            interface: interface.to_owned(),
            function: name.to_owned(),
            signature: signature.digest(),
        };
        // Of its own app, all is here; what is wrong with another one is no reason not to start this one.
        if *self.app == *self.origin.app
            && let Err(refusal) = self.directory.find(&target, &self.app)
        {
            bail!("{}", refusal.message);
        }
        Ok(Arc::new(Remote {
            target,
            handles: streams::pass(signature),
            signature: signature.clone(),
            idempotent: self.idempotent,
            origin: self.origin.clone(),
            directory: self.directory.clone(),
        }))
    }
}

/// One function of a component that may be on another host.
#[derive(Debug)]
pub(super) struct Remote {
    pub(super) target: envelope::Target,
    pub(super) signature: Signature,
    /// Whether it passes streams or futures.
    handles: bool,
    pub(super) idempotent: bool,
    pub(super) origin: Origin,
    pub(super) directory: Arc<Directory>,
}

impl Answers for Remote {
    fn call(self: Arc<Self>, arguments: Vec<Value>, errand: Errand) -> Called {
        Box::pin(async move {
            let (app, errand) = (&*self.origin.app, further(errand)?);
            match self.directory.find(&self.target, app) {
                Ok(here) => self.near(here, arguments, errand).await,
                Err(refusal) if refusal.reason != Reason::Absent => {
                    Err(CallError::NotSent(refusal.message).into())
                }
                Err(absent) => Ok(self.away(&arguments, errand, &absent).await?),
            }
        })
    }

    fn begin(self: Arc<Self>, mut begun: Begun) -> Returned {
        Box::pin(async move {
            let app = &*self.origin.app;
            begun.errand = further(begun.errand)?;
            match self.directory.find(&self.target, app) {
                Ok(here) => here.begin(begun).await.map_err(told),
                Err(refusal) if refusal.reason != Reason::Absent => {
                    Err(CallError::NotSent(refusal.message).into())
                }
                Err(absent) if self.handles => Ok(self.conversation(begun, absent).await?),
                Err(absent) => {
                    let values = begun.arguments.values;
                    let result = self.away(&values, begun.errand, &absent).await?;
                    Ok(Crossing {
                        values: result.into_iter().collect(),
                        chunks: Vec::new(),
                    })
                }
            }
        })
    }
}

/// The same, one remote call further.
fn further(errand: Errand) -> Result<Errand, CallError> {
    let hops = errand.hops.saturating_add(1);
    if hops > envelope::MOST_HOPS {
        return Err(CallError::NotSent(envelope::circle()));
    }
    Ok(Errand { hops, ..errand })
}

/// What went wrong in a component of this host, in the words of a call of another.
fn told(error: wasmtime::Error) -> wasmtime::Error {
    let Some(known) = error.downcast_ref::<InvokeError>() else {
        return error;
    };
    let message = known.to_string();
    match known {
        InvokeError::Overloaded
        | InvokeError::Library
        | InvokeError::Instantiate(_)
        | InvokeError::Load(_) => CallError::NotSent(message),
        InvokeError::Timeout => CallError::TimedOut(message),
        _ => CallError::Guest(message),
    }
    .into()
}

impl Remote {
    /// Calls the component of this host; another host's when this one has too much to do.
    async fn near(
        &self,
        here: Arc<Here>,
        arguments: Vec<Value>,
        errand: Errand,
    ) -> Result<Option<Value>> {
        let spare = self.others().then(|| arguments.clone());
        let error = match here.call(arguments, errand).await {
            Ok(result) => return Ok(result),
            Err(error) => error,
        };
        if let Some(InvokeError::Overloaded) = error.downcast_ref()
            && let Some(arguments) = spare
        {
            let busy = Refusal::new(Reason::Busy, error.to_string());
            return Ok(self.away(&arguments, errand, &busy).await?);
        }
        Err(told(error))
    }

    /// Whether another host could be asked.
    fn others(&self) -> bool {
        let carrier = self.directory.carrier();
        carrier.is_some_and(|carrier| carrier.is_elsewhere(&self.target.app))
    }
}
