"""The lattice: hosts that share one NATS namespace and run the apps that were deployed to it.

NATS keeps what is wanted (`state`), who is there (`members`), and who plans (`lease`). What runs where is computed by a
pure function (`placement`), by whichever host holds the planner's lease (`planner`), and every host carries out the newest
assignment that it knows (`host`), from its own cache when NATS is away.
"""
