"""headend.yaml, and where everything of one headend lies. docs/reference/headend-yaml.md says what every key means."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.engine import URL

from daemon.config import Address, load_config, of_variable, overridden_by
from dermscore.errors import BadInput, Problem
from headend.store.engine import resolve
from wire.identity import TlsFiles

FILE: Final = "headend.yaml"
NO_HISTORY: Final = "none"
ENVIRONMENT: Final[Mapping[str, str]] = {
    "HEADEND_HTTP_ADDR": "http",
    "HEADEND_GRPC_ADDR": "agent_link",
    "HEADEND_BOUNDARY_ADDR": "boundary_link",
    "ASSETS_PATH": "assets",
    "DATABASE_URL": "database_url",
}
"""Which variable overrides which key."""


class Tls(BaseModel):
    """The headend's certificate and the CA it trusts, PEM."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ca: Path
    cert: Path
    key: Path


class Programs(BaseModel):
    """Under which program of dispatch.yaml a request runs, by where it comes from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    http: str = "operator"
    boundary: str = "scada"


class HeadendConfig(BaseModel):
    """The file. Paths, and SQLite files in URLs, are relative to its folder unless absolute."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    http: Address = Address("127.0.0.1:3001")
    agent_link: Address = Address("127.0.0.1:7450")
    boundary_link: Address = Address("127.0.0.1:7451")
    tls: Tls
    publisher_key: Path
    assets: Path = Path("assets.yaml")
    policies: Path = Path("policies/headend")
    state_url: str = "sqlite:///headend.db"
    database_url: str = "sqlite:///history.db"
    keep_days: Annotated[float, Field(gt=0, le=36_500)] = 30.0
    decisions_kept: Annotated[int, Field(ge=0, le=1_000_000)] = 1000
    publish_period_s: Annotated[float, Field(ge=0.1, le=5)] = 1.0
    fresh_within_s: Annotated[float, Field(ge=1, le=3600)] = 12.0
    programs: Programs = Programs()


@dataclass(frozen=True, slots=True)
class Home:
    """One headend's folder, with every path made whole. `variables` are those that stand over keys, by key."""

    folder: Path
    config: HeadendConfig
    variables: Mapping[str, str]

    @classmethod
    def open(cls, folder: Path, environment: Mapping[str, str] | None = None) -> Self:
        """Raises NotSetUp (no such headend) or BadInput (everything wrong with its headend.yaml and the variables)."""
        path = folder / FILE
        made_by = f"derms headend init {folder} --pki PKI --assets FILE"
        variables = dict(os.environ if environment is None else environment)
        if variables.get("ASSETS_PATH"):  # counts from where the command was typed, not from the folder
            variables["ASSETS_PATH"] = str(Path(variables["ASSETS_PATH"]).resolve())
        config = load_config(HeadendConfig, path, ENVIRONMENT, variables, made_by=made_by)
        home = cls(folder, config, overridden_by(ENVIRONMENT, variables))
        problems = [*home._unsafe_listeners(), *home._shared_listeners(), *home._bad_urls()]
        if problems:
            raise BadInput(problems)
        return home

    @property
    def tls(self) -> TlsFiles:
        tls = self.config.tls
        return TlsFiles(self.folder / tls.ca, self.folder / tls.cert, self.folder / tls.key)

    @property
    def publisher_key(self) -> Path:
        return self.folder / self.config.publisher_key

    @property
    def assets(self) -> Path:
        return self.folder / self.config.assets

    @property
    def policies(self) -> Path:
        return self.folder / self.config.policies

    @property
    def state_url(self) -> URL:
        return resolve(self.config.state_url, self.folder)

    @property
    def history_url(self) -> URL | None:
        """None where no history is wanted."""
        url = self.config.database_url
        return None if url == NO_HISTORY else resolve(url, self.folder)

    @property
    def listeners(self) -> dict[str, Address]:
        """Where it listens, by key."""
        config = self.config
        return {"http": config.http, "agent_link": config.agent_link, "boundary_link": config.boundary_link}

    def problem(self, key: str, what: str) -> Problem:
        """Something wrong with a key's value, told of whoever set it: the file, or the variable that stands over it."""
        set_by = of_variable(self.variables[key]) if key in self.variables else str(self.folder / FILE)
        return Problem(set_by, key, what)

    @property
    def update_command(self) -> str:
        """What mends a store that is behind."""
        return f"derms headend init {self.folder} --update"

    def _unsafe_listeners(self) -> list[Problem]:
        if self.config.http.loopback:
            return []
        what = (
            f"{self.config.http} can be reached from other machines, and the HTTP API knows no accounts yet: "
            "bind it to a loopback address such as 127.0.0.1:3001, and reach it from elsewhere through ssh -L"
        )
        return [self.problem("http", what)]

    def _shared_listeners(self) -> list[Problem]:
        """Keys with the address of a key before them. Port 0 is any free one."""
        first: dict[Address, str] = {}
        return [
            self.problem(key, f"{address} is {first[address]}'s already; give each its own port")
            for key, address in self.listeners.items()
            if address.port and first.setdefault(address, key) != key
        ]

    def _bad_urls(self) -> list[Problem]:
        problems = []
        urls = {"state_url": self.config.state_url, "database_url": self.config.database_url}
        for key, url in urls.items():
            try:
                if not (key == "database_url" and url == NO_HISTORY):
                    resolve(url, self.folder)
            except BadInput as bad:
                problems += [self.problem(key, each.what) for each in bad.problems]
        return problems
