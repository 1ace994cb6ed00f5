"""gateway.yaml, and where everything of one gateway lies. docs/reference/gateway-yaml.md says what every key means."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator

from audit.witness.client import Url
from daemon.config import Address, load_config
from wire.identity import TlsFiles

FILE: Final = "gateway.yaml"
MADE_BY: Final = "derms gateway init"
ISOLATED: Final = "ISOLATED"
REJOINED: Final = "REJOINED"
STATUS: Final = "status.json"
DOCUMENTS: Final = "documents"


class Tls(BaseModel):
    """The gateway's certificate and what it trusts, PEM."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ca: Path
    cert: Path
    key: Path


class Witness(BaseModel):
    """Who cosigns the trail's checkpoints: where, by which key, and how often it is asked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str
    key: Path
    ca: Path | None = None
    every_s: int = Field(60, ge=1, le=3600)

    @field_validator("url")
    @classmethod
    def _is_url(cls, text: str) -> str:
        Url.parse(text)
        return text


class GatewayConfig(BaseModel):
    """The file. Paths are relative to its folder unless absolute."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    headend: Address
    tls: Tls
    publishers: tuple[Path, ...] = Field(min_length=1)
    contract: Path = Path("policies/gateway")
    trail: Path = Path("trail")
    audit_key: Path = Path("keys/audit.key")
    outbox: Path = Path("outbox.db")
    body_keys: Path | None = None
    reserve_mb: Annotated[int, Field(ge=0, le=65536)] = 32
    pack_after_days: Annotated[int, Field(ge=1, le=3650)] | None = None
    witness: Witness | None = None
    origin: Annotated[str, Field(pattern=r"^[A-Za-z0-9._/:-]{1,128}$")] = "derms/gateway"


@dataclass(frozen=True, slots=True)
class Home:
    """One gateway's folder, with every path made whole."""

    folder: Path
    config: GatewayConfig
    document: bytes
    """gateway.yaml as it stands."""

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Raises NotSetUp (no such gateway) or BadInput (everything wrong with its gateway.yaml)."""
        path = folder / FILE
        config = load_config(GatewayConfig, path, made_by=f"{MADE_BY} {folder} --pki PKI")
        return cls(folder, config, path.read_bytes())

    @property
    def digest(self) -> str:
        """SHA-256 of gateway.yaml, hexadecimal: what the trail calls this configuration."""
        return hashlib.sha256(self.document).hexdigest()

    @property
    def tls(self) -> TlsFiles:
        tls = self.config.tls
        return TlsFiles(self.folder / tls.ca, self.folder / tls.cert, self.folder / tls.key)

    @property
    def publishers(self) -> list[Path]:
        return [self.folder / path for path in self.config.publishers]

    @property
    def contract(self) -> Path:
        return self.folder / self.config.contract

    @property
    def trail(self) -> Path:
        return self.folder / self.config.trail

    @property
    def reserve(self) -> Path:
        """Space kept back on the trail's disk. Beside the trail, not in it: a copy of a trail needs no empty space."""
        return self.trail.with_name(f"{self.trail.name}.reserve")

    @property
    def audit_key(self) -> Path:
        return self.folder / self.config.audit_key

    @property
    def outbox(self) -> Path:
        return self.folder / self.config.outbox

    @property
    def body_keys(self) -> Path | None:
        """Where the keys of encrypted bodies are; None: bodies are written plain."""
        return None if self.config.body_keys is None else self.folder / self.config.body_keys

    @property
    def documents(self) -> Path:
        """What the trail names by digest, each under its digest."""
        return self.folder / DOCUMENTS

    @property
    def isolated(self) -> Path:
        """While this file is there the boundary is closed; its text is the reason. It outlives restarts."""
        return self.folder / ISOLATED

    @property
    def rejoined(self) -> Path:
        """Who opened the boundary again, for a gateway that has not recorded it yet."""
        return self.folder / REJOINED

    @property
    def status(self) -> Path:
        """What a running gateway says of itself, replaced every second."""
        return self.folder / STATUS
