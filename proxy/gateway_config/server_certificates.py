"""Which certificates of servers both planes accept."""

import ssl


def trusting(*, cafile: str | None = None, cadata: str | None = None) -> ssl.SSLContext:
    """What judges a server's certificate and its name; trusts the given authorities, or the system's without any.

    It accepts what curl, Go and thus kubectl accept, with every version of Python:
    - authorities without the extensions that RFC 5280 asks for. Python 3.13 refuses them by default, while companies'
      own authorities, proxies that open TLS and older clusters have such: no key usage, no key identifiers, basic
      constraints that are not critical;
    - an intermediate authority that is trusted without its root. Python before 3.13 refuses it by default.

    Raises `OSError` (`ssl.SSLError` is one) or `ValueError` for authorities that cannot be read.
    """
    context = ssl.create_default_context(cafile=cafile, cadata=cadata)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context
