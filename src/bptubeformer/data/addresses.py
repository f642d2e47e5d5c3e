"""Secrets in addresses, and addresses that others can read on the way.

Needs nothing but Python: addresses of a configuration are checked before any environment is made.
"""

import ipaddress
import re
from urllib.parse import urlsplit

from bptubeformer.errors import InputError
from bptubeformer.texts import shown

SECRETS = re.compile("key|token|secret|sig|auth|pass|pwd|credential", re.IGNORECASE)
"""In the names of values in an address that open something."""


def refuse_secrets(key: str, url: str) -> None:
    """Refuse an address that names a password or token: it would be in logs and results.

    Args:
        key: of the configuration, for the message, which does not repeat the address.
        url: the address.

    Raises:
        InputError: it does, or it is none.
    """
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise InputError(
            f"{key} = {shown(url)}: not a valid address ({error}); correct it"
        ) from error
    values = re.split("[&;?]", f"{parts.query}&{parts.fragment}")
    if parts.username or parts.password or any(SECRETS.search(v.split("=")[0]) for v in values):
        raise InputError(
            f"{key}: the address has a password or token in it, which would be in logs and "
            "results; download the file by hand and give its path, or use doi:... with the token "
            "in the environment"
        )


def is_private(url: str) -> bool:
    """Return True if nobody can read on the way to ``url``: https, or this machine itself."""
    parts = urlsplit(url)
    if parts.scheme == "https" or parts.hostname == "localhost":
        return True
    try:
        return ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False


def host(url: str) -> str:
    """Scheme and host of an address: the part that a message may show."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
