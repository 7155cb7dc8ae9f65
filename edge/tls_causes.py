"""Why a broker and we do not agree on TLS, in words: asked by a connection of our own after one has failed.

The MQTT client only says that the connection was lost; with TLS 1.3 a broker judges our certificate after the
handshake, and its alert comes with the first bytes that are read.
"""

import asyncio
import ssl

ASK_S = 1.0  # a link that is being ended waits no longer for this
ALERT_S = 0.5  # a broker that is content stays silent: it waits for our first message

# of the broker's certificate, by OpenSSL's X509_V_ERR_*
BROKERS = {
    3: "broker_crl_missing", 9: "broker_not_yet_valid", 10: "broker_expired", 12: "broker_crl_expired",
    18: "broker_unknown_authority", 19: "broker_unknown_authority", 20: "broker_unknown_authority",
    21: "broker_unknown_authority", 23: "broker_revoked", 26: "broker_wrong_use", 62: "broker_other_name",
    64: "broker_other_name",
}  # fmt: skip
# of ours, by the alert that the broker sends
OURS = {
    "TLSV1_ALERT_UNKNOWN_CA": "our_unknown_authority",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "our_expired",
    "SSLV3_ALERT_CERTIFICATE_REVOKED": "our_revoked",
    "SSLV3_ALERT_BAD_CERTIFICATE": "our_refused",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "our_refused",
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": "our_refused",
    "TLSV1_ALERT_ACCESS_DENIED": "our_refused",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "our_missing",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "no_agreement",
    "TLSV1_ALERT_PROTOCOL_VERSION": "no_agreement",
    "WRONG_VERSION_NUMBER": "broker_without_tls",
}
WORDS = {
    "broker_crl_missing": "crl_file has no list of the authority that issued the broker's certificate",
    "broker_not_yet_valid": "the broker's certificate is not valid yet: is our clock right?",
    "broker_expired": "the broker's certificate has expired, or our clock is ahead",
    "broker_crl_expired": "the revocation list has expired",
    "broker_unknown_authority": "the broker's certificate is not of the authority in ca_file",
    "broker_revoked": "the broker's certificate is revoked",
    "broker_wrong_use": "the broker shows a certificate that is not for servers",
    "broker_other_name": "the broker's certificate does not name this host",
    "broker_refused": "the broker's certificate was not accepted",
    "broker_without_tls": "the broker speaks no TLS on this port",
    "our_unknown_authority": "the broker does not know the authority of our certificate",
    "our_expired": "the broker says that our certificate has expired",
    "our_revoked": "the broker says that our certificate is revoked",
    "our_refused": "the broker does not accept our certificate",
    "our_missing": "the broker asks for a certificate, and we have none",
    "closed_at_once": "the broker ends the connection at once: is our certificate revoked?",
    "no_agreement": "no version or cipher of TLS in common, or the broker asks for a certificate",
    "not_authorised": "the broker lets nobody in under our name: has it no such user?",
    "tls_failed": "TLS failed",
}


def cause_of(error: BaseException) -> str | None:
    """Return the cause behind an error of TLS, a key of WORDS; None where TLS is not the cause."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return BROKERS.get(error.verify_code, "broker_refused")
    if isinstance(error, ssl.SSLError):
        return OURS.get(str(error.reason), "tls_failed")
    return None


async def why_refused(address: tuple[str, int], context: ssl.SSLContext) -> str | None:
    """Connect once, say nothing, and return why TLS fails; None where it does not, or nobody listens."""
    try:
        async with asyncio.timeout(ASK_S):
            reader, writer = await asyncio.open_connection(*address, ssl=context)
            try:
                async with asyncio.timeout(ALERT_S):
                    if not await reader.read(1):
                        return "closed_at_once"  # nats-server sends no alert for a key that it may not accept
            finally:
                writer.transport.abort()
    except (OSError, TimeoutError, EOFError) as error:
        return cause_of(error)
    return None


def words(cause: str) -> str:
    """Return a cause as a line for the operator."""
    return WORDS.get(cause, cause)
