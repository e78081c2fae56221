"""What a store may answer in place of data."""


class StoreConfigurationError(ValueError):
    """The configured store can never work. The message says what to change, and holds no secret."""


class StoreUnavailableError(Exception):
    """The store cannot be asked now: no connection, no answer in time, or its tables are not made yet.

    Whether the call took effect is unknown. The message is fit for a log, not for a client.
    """


class UserCodeTakenError(Exception):
    """Another sign-in has the user code: make a new one."""
