"""From untrusted data to an ``SLO``: one strict parser for the edge, one total parser for the scheduler."""

from collections.abc import Mapping

from superinfer.slo.errors import SLOError
from superinfer.slo.model import SLO, WIRE_FIELDS


def parse_slo(value: object, path: str = "slo") -> SLO:
    """Parse the wire form of an SLO: an object, or a string naming a class.

    Args:
        value: Decoded JSON.
        path: Where the value stood, for the error message.

    Raises:
        SLOError: Not an object, an unknown key, or a bad value; ``field`` is a path below ``path``.
    """
    if isinstance(value, SLO):
        return value
    if isinstance(value, str):
        value = {"class": value}
    if not isinstance(value, Mapping):
        raise SLOError(path, 'must be an object such as {"class": "interactive"}, or the name of a class')
    unknown = [key for key in value if key not in WIRE_FIELDS]
    if unknown:
        # JSON may hold lone surrogates, which no encoder of an error message would take.
        shown = str(unknown[0])[:64].encode(errors="backslashreplace").decode()
        raise SLOError(f"{path}.{shown}", f"is not a field of an SLO (known: {', '.join(WIRE_FIELDS)})")
    try:
        return SLO(**{WIRE_FIELDS[key]: item for key, item in value.items()})
    except SLOError as error:
        raise error.at(path) from None


def parse_lenient(custom_params: object) -> SLO:
    """The SLO inside ``sampling_params.custom_params``, and never an exception.

    The edge has validated already. In the scheduler process an exception would end the server, so whatever
    cannot be understood counts as "no SLO asked for".
    """
    if not isinstance(custom_params, Mapping):
        return SLO()
    try:
        value = custom_params.get("slo")
        return SLO() if value is None else parse_slo(value)
    except Exception:
        return SLO()
