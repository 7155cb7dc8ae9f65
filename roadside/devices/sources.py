"""The addresses that devices send from. Pure."""

from ipaddress import IPv6Address, ip_address


def plain_host(text: str) -> str:
    """Return an IP address in one spelling; IPv4 is the same where an IPv6 socket received it."""
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(address)
