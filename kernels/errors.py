"""What can be wrong with a device."""


class DeviceUnavailableError(RuntimeError):
    """A device that cannot be used here; the message says what is missing and how to get it."""


class OutOfDeviceMemoryError(MemoryError):
    """A device's memory is full; the message says who holds it and what to try."""
