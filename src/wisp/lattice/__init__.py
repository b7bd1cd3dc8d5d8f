"""The lattice: hosts that share one NATS namespace and run the apps that were deployed to it.

NATS keeps what is wanted, who is there and who plans (`state`, as `records`). What runs where is computed by a pure function
(`plan/placement`), by whichever host holds the planner's lease (`plan/planner`), and every host carries out the newest
assignment that it knows (`running/host`), from its own cache when NATS is away.

    membership/   who belongs to it: authority, certificates, claims
    nats/         NATS's client as wisp uses it
    nats_server/  the server that hosts bring along
    plan/         what runs where, and who says so
    running/      what a host does
    commands/     what people ask
"""
