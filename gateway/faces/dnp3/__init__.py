"""DNP3 (IEEE 1815-2012) outstations. docs/reference/dnp3-profile.md says what a master finds here."""

from gateway.faces.dnp3.face import Dnp3Face
from gateway.faces.dnp3.outstation import Dnp3Limits, Dnp3Master, Dnp3Output, Dnp3Outstation, Dnp3Point

__all__ = ["Dnp3Face", "Dnp3Limits", "Dnp3Master", "Dnp3Output", "Dnp3Outstation", "Dnp3Point"]
