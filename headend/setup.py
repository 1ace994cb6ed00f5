"""Making a headend's folder, bringing one in step, and finding everything that is wrong with one."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from sqlalchemy import Engine
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from daemon import clock
from daemon.config import packaged
from dermscore import assets, policy
from dermscore.errors import BadInput, DermsError, NotSetUp, Problem
from dermscore.model import Fleet
from dermscore.policy import Policy
from headend.config import FILE, Home
from headend.store import engine, migrate
from headend.store.history import HistoryStore
from headend.store.state import StateStore
from wire.dial import PortInUse, check_free
from wire.identity import Role, TlsFiles
from wire.publication import load_publisher

_TEXT: Final = """\
# One headend. docs/reference/headend-yaml.md says what every key means. Relative paths count from this folder.
# The HTTP API knows no accounts yet, so it listens on a loopback address only.
http: 127.0.0.1:3001
agent_link: 127.0.0.1:7450
boundary_link: 127.0.0.1:7451
tls:
  ca: {ca}
  cert: {cert}
  key: {key}
publisher_key: {publisher}
assets: assets.yaml
policies: policies/headend
# What control needs after a crash: claims, dispatches, intents.
state_url: sqlite:///headend.db
# Telemetry, agent sessions, events: an SQLite file, postgresql://user@host/name, or none.
database_url: {database_url}
keep_days: 30
decisions_kept: 1000
publish_period_s: 1
fresh_within_s: 12
# The program of policies/headend/dispatch.yaml that a request runs under, by where it comes from.
programs:
  http: operator
  boundary: scada
"""
_POLICIES: Final = ("access.yaml", "dispatch.yaml")


class AlreadyThereError(DermsError):
    """`init` never overwrites."""


def init(folder: Path, pki: Path, assets_file: Path, database_url: str) -> Fleet:
    """Make a headend's folder: configuration, fleet, policies, stores with their tables, and who may claim what.

    What it has begun it takes away again where it fails, so a second try finds the folder as the first one did.

    Raises:
        AlreadyThereError: there is something in the folder.
        NotSetUp, BadInput: the certificates, the fleet or the database cannot be used.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        more = f"; `derms headend init {folder} --update` brings it in step" if (folder / FILE).exists() else ""
        raise AlreadyThereError(f"{folder} exists and is not empty; nothing was changed{more}")
    tls, publisher = TlsFiles.headend(pki.resolve()), pki.resolve() / "publisher.key"
    check_certificate(tls)
    load_publisher(publisher)
    fleet = assets.load_file(assets_file)
    new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write_files(folder, tls, publisher, assets_file, database_url)
        chosen = {name: os.environ[name] for name in ("DATABASE_URL",) if name in os.environ}
        _bring_in_step(Home.open(folder, chosen), fleet)
    except BaseException:
        _clear(folder, new)
        raise
    return fleet


def update(folder: Path, assets_file: Path | None) -> Fleet:
    """Bring a folder in step with this version and with its fleet: tables, claims; its assets.yaml from `assets_file`.

    Configuration and policies are not touched, nor is anything forgotten. Raises NotSetUp or BadInput.
    """
    home = Home.open(folder)
    fleet = assets.load_file(assets_file or home.assets)
    if assets_file is not None and assets_file.resolve() != home.assets.resolve():
        fresh = home.assets.with_suffix(".new")
        shutil.copyfile(assets_file, fresh)
        fresh.replace(home.assets)
    _bring_in_step(home, fleet)
    return fleet


def claims_of(fleet: Fleet) -> dict[str, frozenset[str]]:
    """Who may claim what: the agent of an asset that asset, the agent of a site every asset of the site."""
    of_assets = {asset_id: frozenset({asset_id}) for asset_id in fleet.assets}
    of_sites = {
        site_id: frozenset(asset.id for asset in fleet.assets.values() if asset.site_id == site_id)
        for site_id in fleet.sites
    }
    return of_assets | of_sites


def load_policy(home: Home) -> Policy:
    """The policy, with the programs that headend.yaml names. Raises BadInput."""
    found = policy.load_folder(home.policies)
    named = {"programs.http": home.config.programs.http, "programs.boundary": home.config.programs.boundary}
    known = ", ".join(sorted(found.programs))
    problems = [
        Problem(
            str(home.folder / FILE), key, f"{name!r} is no program of {home.policies}/dispatch.yaml; there are: {known}"
        )
        for key, name in named.items()
        if name not in found.programs
    ]
    if problems:
        raise BadInput(problems)
    return found


def open_state(home: Home) -> StateStore:
    """The state store, at the newest revision. Raises NotSetUp or BadInput."""
    opened = _open(home.state_url, "state_url", home, durable=True)
    try:
        migrate.require_newest(opened, "state", home.update_command)
    except SQLAlchemyError as error:
        opened.dispose()
        raise _broken(home.state_url, error) from None
    except BaseException:
        opened.dispose()
        raise
    return StateStore(opened, home.config.decisions_kept)


def require_claims(store: StateStore, fleet: Fleet, home: Home) -> dict[str, frozenset[str]]:
    """The claims table, which must be of this fleet. Raises NotSetUp."""
    found = store.claims()
    if found != claims_of(fleet):
        raise NotSetUp(
            f"{home.assets} has changed since the claims table was made (who may speak for which asset); "
            f"`{home.update_command}` brings it in step"
        )
    return found


def problems(folder: Path, *, running: bool) -> list[Problem]:
    """Everything that would stop the headend in `folder` from starting, at once. `running`: its ports are its own."""
    home_or_problems = _tried(lambda: Home.open(folder), folder / FILE)
    if not isinstance(home_or_problems, Home):
        return home_or_problems if isinstance(home_or_problems, list) else []
    home = home_or_problems
    checks: list[tuple[Path | str, Callable[[], object]]] = [
        (home.tls.cert, lambda: check_certificate(home.tls)),
        (home.publisher_key, lambda: load_publisher(home.publisher_key)),
        (home.policies, lambda: load_policy(home)),
        (home.assets, lambda: assets.load_file(home.assets)),
        ("state_url", lambda: _check_state(home)),
        ("database_url", lambda: _check_history(home)),
    ]
    if not running:
        checks.append((folder / FILE, lambda: check_listeners(home)))
    found: list[Problem] = []
    for where, check in checks:
        outcome = _tried(check, where)
        if isinstance(outcome, list):
            found += outcome
    return found


def check_listeners(home: Home) -> None:
    """Raises BadInput with every key whose address cannot be listened on."""
    problems = []
    for key, address in home.listeners.items():
        try:
            check_free(address)
        except PortInUse as taken:
            problems.append(home.problem(key, str(taken)))
    if problems:
        raise BadInput(problems)


def open_history(url: URL, home: Home) -> Engine:
    """An engine on the history store; whether it answers is not tried. Raises NotSetUp: there is no such file."""
    return _open(url, "database_url", home, durable=False)


def count_readings(folder: Path) -> int | None:
    """How many readings history holds; None where there is no history, or it does not answer."""
    home = Home.open(folder)
    if home.history_url is None or not engine.exists(home.history_url):
        return None
    opened = open_history(home.history_url, home)
    try:
        return HistoryStore(opened).count()
    except SQLAlchemyError:
        return None
    finally:
        opened.dispose()


def check_certificate(tls: TlsFiles) -> None:
    """Raises NotSetUp or BadInput where agents and gateways would not take these for a headend's, now."""
    loaded = tls.load()
    loaded.require(Role.HEADEND)
    loaded.require_unexpired(clock.now().utc_ms)


# --- parts -----------------------------------------------------------------------------------------------------------


def _write_files(folder: Path, tls: TlsFiles, publisher: Path, assets_file: Path, database_url: str) -> None:
    shutil.copyfile(assets_file, folder / "assets.yaml")
    (folder / "policies" / "headend").mkdir(parents=True)
    for name in _POLICIES:
        shutil.copyfile(packaged(f"policies/headend/{name}"), folder / "policies" / "headend" / name)
    shutil.copytree(packaged("policies/cases"), folder / "policies" / "cases", copy_function=shutil.copyfile)
    values = {"ca": tls.ca, "cert": tls.cert, "key": tls.key, "publisher": publisher, "database_url": database_url}
    # A JSON string is a YAML string whatever is in it: a folder's name may hold `: ` or ` #`.
    text = _TEXT.format(**{key: json.dumps(str(value), ensure_ascii=False) for key, value in values.items()})
    (folder / FILE).write_text(text, encoding="utf-8")


def _bring_in_step(home: Home, fleet: Fleet) -> None:
    _migrate(home.state_url, "state")
    if home.history_url is not None:
        _migrate(home.history_url, "history")
    store = StateStore(engine.open_engine(home.state_url, durable=True))
    try:
        store.make_identity(clock.now().utc_ms)
        store.set_claims(claims_of(fleet))
    finally:
        store.close()


def _migrate(url: URL, track: migrate.Track) -> None:
    engine.create_file(url)
    opened = engine.open_engine(url, durable=True)
    try:
        migrate.upgrade(opened, track)
    except SQLAlchemyError as error:
        raise _broken(url, error) from None
    finally:
        opened.dispose()


def _clear(folder: Path, new: bool) -> None:
    """Take away what a failed init has made; a folder that was there before stays, empty as it was."""
    if new:
        shutil.rmtree(folder, ignore_errors=True)
        return
    for each in folder.iterdir():
        shutil.rmtree(each, ignore_errors=True) if each.is_dir() else each.unlink(missing_ok=True)


def _check_state(home: Home) -> None:
    store = open_state(home)
    try:
        store.epoch()
        require_claims(store, assets.load_file(home.assets), home)
    finally:
        store.close()


def _check_history(home: Home) -> None:
    if home.history_url is None:
        return
    opened = open_history(home.history_url, home)
    try:
        migrate.require_newest(opened, "history", home.update_command)
    except SQLAlchemyError as error:
        raise _broken(home.history_url, error) from None
    finally:
        opened.dispose()


def _open(url: URL, key: str, home: Home, *, durable: bool) -> Engine:
    if not engine.exists(url):
        raise NotSetUp(
            f"{url.database} ({key} of {home.folder / FILE}) does not exist; `{home.update_command}` makes it"
        )
    return engine.open_engine(url, durable=durable)


def _broken(url: URL, error: SQLAlchemyError) -> BadInput:
    why = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
    return BadInput([Problem(url.render_as_string(hide_password=True), "", f"cannot be used: {why}")])


def _tried(check: Callable[[], object], where: Path | str) -> list[Problem] | object:
    try:
        return check()
    except BadInput as bad:
        return list(bad.problems)
    except DermsError as error:
        return [Problem(str(where), "", str(error))]
