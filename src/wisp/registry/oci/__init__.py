"""Components and apps in OCI registries: the client, and how they are laid out there.

`client` speaks the distribution protocol for one run of a command: `transport` under it sends requests, with credentials
(`credentials`, `tokens`), again after failures, and along redirections; `access` says how a registry may be reached.
`documents` are what the protocol passes around; `components` and `apps` say what ours look like.
"""
