"""What goes wrong with what a component asks of its host.

    CapabilityError                    the host could not do it
    +- NotGrantedError                 the manifest does not grant it; the host's log has the line to add
    +- the errors of each module       `keyvalue.NoSuchStoreError`, `sqlite.BusyError`, `client.TimedOutError`, ...
    OutsideError                       there is no host to ask

A refusal by a module is both: `client.DeniedError` is a `client.RequestError` and a `NotGrantedError`.
"""


class CapabilityError(Exception):
    """The host could not do what it was asked for; the message is in the words of its interface."""


class NotGrantedError(CapabilityError):
    """The manifest does not grant it to this component. The host's log says which line would."""


class OutsideError(RuntimeError):
    """There is no host to ask: this Python runs outside of a component, or the component is just being built."""
