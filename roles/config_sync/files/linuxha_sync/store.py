# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What is on the disk: the objects, the manifest, the history, and how a file is replaced so that nothing gets lost.

Order of an installation, which a crash may cut at any point:
1. the journal says which version goes where, under which names the drafts are made;
2. every draft is written beside its target and is on the disk;
3. the version that is there has its place in the history;
4. the file is renamed; what it replaced keeps a second name until it is sure that it was what the scan had seen;
5. the manifest says so, and the journal goes.
heal() looks at the journal of a run that did not get so far.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import posixpath
import shutil
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional, Set, Tuple

from . import decide, manifest, versions
from .decide import State
from .layout import (
    Layout,
    Step,
    SyncError,
    as_bytes,
    no_step,
    read_json,
    read_regular,
    replace_file,
    sync_directory,
)
from .manifest import ManifestError, Version
from .scan import Cache, Key, Names, key_of
from .settings import DRAFT, Entry, Settings

# How long an object stays that no manifest names any more: a peer may be about to fetch it.
OBJECT_GRACE_S = 3600
PRUNE_EVERY_S = 6 * 3600


class Changed(Exception):
    """The file is not the one that the scan saw; the next look decides again."""


@dataclass(frozen=True)
class Install:
    """One file that changes: the version it gets, and what the scan saw there (None: nothing)."""

    entry: Entry
    path: str
    version: Version
    before: Optional[Version]
    key: Optional[Key]
    source: str
    reason: str

    @property
    def draft(self) -> str:
        return DRAFT + hashlib.sha256(self.path.encode()).hexdigest()[:16] + ".new"

    @property
    def aside(self) -> str:
        return DRAFT + hashlib.sha256(self.path.encode()).hexdigest()[:16] + ".old"


def instant(now_ns: int) -> str:
    moment = datetime.fromtimestamp(now_ns / 1e9, timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


@contextmanager
def directory(root: str, entry: Entry, path: str, create: bool) -> Iterator[int]:
    """The directory of a path, opened without following a symbolic link below the declared directory."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    top = root + entry.path
    if entry.kind == "file":
        handle, parts = os.open(posixpath.dirname(top), flags), []
    else:
        if create and not os.path.lexists(top):
            Path(top).mkdir(0o700)
            Path(top).chmod(0o755)
        handle = os.open(top, flags | os.O_NOFOLLOW)
        parts = path[len(entry.path) + 1 :].split("/")[:-1]
    try:
        for part in parts:
            try:
                inner = os.open(part, flags | os.O_NOFOLLOW, dir_fd=handle)
            except FileNotFoundError:
                if not create:
                    raise
                above = os.fstat(handle)
                os.mkdir(part, 0o700, dir_fd=handle)
                inner = os.open(part, flags | os.O_NOFOLLOW, dir_fd=handle)
                os.fchown(inner, above.st_uid, above.st_gid)
                os.fchmod(inner, above.st_mode & 0o7777)
                os.fsync(handle)
            os.close(handle)
            handle = inner
        yield handle
    finally:
        os.close(handle)


class Store:
    def __init__(self, layout: Layout, settings: Settings, step: Step = no_step):
        self.layout, self.settings, self.step = layout, settings, step
        self.uid, self.gid = self.account()
        # Directories with new names that may not be on the disk yet.
        self.unsynced: Set[Path] = set()

    def flush(self) -> None:
        """What follows relies on the new names."""
        for path in sorted(self.unsynced):
            self.step("sync", str(path))
            sync_directory(path)
        self.unsynced.clear()

    def account(self) -> Tuple[int, int]:
        """Who reads the export for the peers."""
        import grp
        import pwd

        try:
            user = pwd.getpwnam(self.settings.user)
            return user.pw_uid, grp.getgrgid(user.pw_gid).gr_gid
        except KeyError as error:
            raise SyncError(f"user: there is no account {self.settings.user}; run the playbook again") from error

    def ensure(self) -> None:
        """The directories, with the rights they need."""
        wanted = {
            self.layout.state: (0o750, -1, self.gid),
            self.layout.export: (0o2750, -1, self.gid),
            self.layout.objects: (0o750, -1, self.gid),
            self.layout.history: (0o700, -1, -1),
            self.layout.staging: (0o700, -1, -1),
            # Root makes and removes names here, so nobody else may; see room().
            self.layout.incoming: (0o710, os.geteuid(), self.gid),
            self.layout.run: (0o755, -1, -1),
            self.layout.wanted: (0o755, os.geteuid(), -1),
            self.layout.told: (0o755, self.uid, self.gid),
        }
        for path, (mode, uid, gid) in wanted.items():
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                status = os.fstat(handle)
                if (uid != -1 and status.st_uid != uid) or (gid != -1 and status.st_gid != gid):
                    os.fchown(handle, uid, gid)
                if status.st_mode & 0o7777 != mode:
                    os.fchmod(handle, mode)
            finally:
                os.close(handle)

    @contextmanager
    def room(self, name: str) -> Iterator[Path]:
        """An empty directory for what a peer sends, of the user who receives it, who makes no names above it."""
        path = self.layout.incoming / name
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(mode=0o700)
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.fchown(handle, self.uid, self.gid)
            yield path
        finally:
            os.close(handle)
            shutil.rmtree(path, ignore_errors=True)

    # --- objects -----------------------------------------------------------------------------------------------------
    def has(self, sha256: str) -> bool:
        return (self.layout.objects / sha256).exists()

    def keep(self, sha256: str, data: bytes) -> None:
        """Keeps content that is what its name says."""
        if not self.has(sha256):
            replace_file(self.layout.objects / sha256, data, self.step, 0o640, self.gid, durable=False)
            self.unsynced.add(self.layout.objects)

    def read(self, version: Version) -> bytes:
        data = read_regular(self.layout.objects / version.sha256, self.settings.object_limit_bytes)
        if data is None or hashlib.sha256(data).hexdigest() != version.sha256:
            # Of no use to anybody any more; the next pull or scan brings it again.
            (self.layout.objects / version.sha256).unlink(missing_ok=True)
            raise SyncError(f"the object {version.sha256} is damaged; it is fetched again")
        return data

    def take_in(self, sha256: str, size: int, came: Path) -> str:
        """What a peer sent becomes an object when it is what was asked for; else why not."""
        data = read_regular(came, self.settings.object_limit_bytes)
        if data is None:
            return "was not sent"
        if len(data) != size or hashlib.sha256(data).hexdigest() != sha256:
            return "is not what the manifest says (checksum)"
        self.keep(sha256, data)
        return ""

    def clean(self, used: Set[str]) -> None:
        """Objects that nobody names go after a while, and what broken writes left."""
        limit = time.time() - OBJECT_GRACE_S
        for item in list(os.scandir(self.layout.objects)):
            if item.name not in used and item.stat(follow_symlinks=False).st_mtime < limit:
                self.step("unlink", item.path)
                Path(item.path).unlink()

    # --- what this node knows ----------------------------------------------------------------------------------------
    def load(self) -> State:
        path = self.layout.state / "manifest.json"
        # However large it is: what comes from peers was bounded when it came, and this is all that the node knows.
        if not path.exists():
            return State()
        data = read_regular(path, path.stat().st_size)
        if data is None:
            raise SyncError(f"{path}: cannot be read as a file")
        try:
            document = manifest.load(data)
            files = manifest.parse_files(document.get("files"))
            rivals = {
                path_: manifest.parse_vector(vector, f"rivals: {path_}")
                for path_, vector in dict(document.get("rivals", {})).items()
            }
        except (ManifestError, TypeError, ValueError) as error:
            raise SyncError(
                f"{path}: {error}; move it away to start without a past (the files of the peers then win)"
            ) from error
        members = self.settings.members
        files = {path_: replace(version, vector=self.remaining(version.vector)) for path_, version in files.items()}
        rivals = {path_: versions.among(vector, members) for path_, vector in rivals.items()}
        return State(files, set(document.get("missing", [])), rivals, set(document.get("entries", [])))

    def remaining(self, vector: versions.Vector) -> Dict[str, int]:
        """What a vector counts without the nodes that have left.

        What only they had counted counts as ours, since we have it. An empty vector is that of the files of a bare
        machine: the one that takes the place of the node that left could overwrite what that node had made.
        """
        left = versions.among(vector, self.settings.members)
        return left if left or not vector else {self.settings.node: max(vector.values())}

    def save(self, state: State) -> None:
        """First for ourselves, then for the peers: a count that they saw is never used again."""
        document = {
            "format": manifest.FORMAT,
            "node": self.settings.node,
            "files": {path: manifest.as_json(version) for path, version in state.files.items()},
            "missing": sorted(state.missing),
            "rivals": {path: dict(vector) for path, vector in state.rivals.items()},
            "entries": sorted(state.entries),
        }
        self.flush()
        self.write_changed(self.layout.state / "manifest.json", as_bytes(document), 0o600, -1)
        self.write_changed(self.layout.export / "manifest.json", self.public(state), 0o640, self.gid)

    def public(self, state: State) -> bytes:
        files = {path: version for path, version in state.files.items() if path not in state.missing}
        return manifest.render(self.settings.node, files)

    def write_changed(self, path: Path, data: bytes, mode: int, gid: int) -> bool:
        if read_regular(path, len(data)) == data:
            return False
        replace_file(path, data, self.step, mode, gid)
        return True

    def note(self, name: str, document: Dict[str, Any]) -> None:
        """A small file of the state; nothing is written when it says the same already. Empty: no file."""
        path = self.layout.state / name
        if document:
            self.write_changed(path, as_bytes(document), 0o600, -1)
        elif path.exists():
            self.step("unlink", str(path))
            path.unlink()
            sync_directory(path.parent)

    def notes(self, name: str) -> Dict[str, Any]:
        return read_json(self.layout.state / name)

    # --- checksums that are known ------------------------------------------------------------------------------------
    def load_cache(self) -> Cache:
        known = {}
        for path, item in read_json(self.layout.run / "cache.json").items():
            if isinstance(item, list) and len(item) == 8:
                known[path] = ((item[0], item[1], item[2], item[3], item[4], item[5], item[6]), str(item[7]))
        return Cache(known)

    def save_cache(self, cache: Cache) -> None:
        if cache.fresh != cache.known:
            data = {path: [*key, sha256] for path, (key, sha256) in cache.fresh.items()}
            draft = self.layout.run / ".cache.json.new"  # in memory (tmpfs): may get lost
            draft.write_text(json.dumps(data), encoding="utf-8")
            draft.replace(self.layout.run / "cache.json")

    # --- history -----------------------------------------------------------------------------------------------------
    def shelf(self, path: str) -> Path:
        """The directory of the former versions of one file, named so that a person finds it."""
        name = posixpath.basename(path)[:100]
        return self.layout.history / f"{name}-{hashlib.sha256(path.encode()).hexdigest()[:12]}"

    def remember(self, path: str, version: Version, source: str, reason: str, now_ns: int) -> str:
        """Keeps a version that is about to be replaced. Twice is once."""
        identity = f"{instant(version.mtime_ns)}-{hashlib.sha256(repr(version).encode()).hexdigest()[:8]}"
        shelf = self.shelf(path)
        if (shelf / f"{identity}.json").exists() and (shelf / identity).exists():
            return identity
        shelf.mkdir(mode=0o700, exist_ok=True)
        content = shelf / identity
        self.step("link", str(content))
        content.unlink(missing_ok=True)
        # A second name of the object takes no room: a full disk is no reason to lose a version.
        try:
            os.link(self.layout.objects / version.sha256, content)
        except OSError as error:
            if error.errno not in (errno.EMLINK, errno.EXDEV, errno.EPERM):
                raise
            shutil.copyfile(self.layout.objects / version.sha256, content)
        document: Dict[str, Any] = {"path": path, "replaced": instant(now_ns), "by": source, "reason": reason}
        document["version"] = manifest.as_json(version)
        replace_file(shelf / f"{identity}.json", as_bytes(document), self.step, durable=False)
        self.unsynced |= {shelf, self.layout.history}
        return identity

    def versions(self, path: str) -> List[Tuple[str, Dict[str, Any]]]:
        """The former versions of a file, the latest first."""
        found = []
        for item in self.shelf(path).glob("*.json"):
            document = read_json(item)
            if document.get("path") == path and item.with_suffix("").exists():
                found.append((item.name[: -len(".json")], document))
        return sorted(found, key=lambda pair: str(pair[1].get("replaced")), reverse=True)

    def former(self, path: str, identity: str) -> Tuple[Version, bytes]:
        for name, document in self.versions(path):
            if name == identity:
                try:
                    version = manifest.parse_version(document.get("version"), name)
                except ManifestError as error:
                    raise SyncError(f"{path}: {name}: {error}") from error
                data = read_regular(self.shelf(path) / name, max(self.settings.object_limit_bytes, version.size))
                if data is None or hashlib.sha256(data).hexdigest() != version.sha256:
                    raise SyncError(f"{path}: {name}: the kept content is damaged")
                return version, data
        raise SyncError(f"{path}: no version {identity!r} is kept; see: linuxha-sync history {path}")

    def oldest(self, now_ns: int) -> int:
        """What was replaced or deleted before this is forgotten."""
        return now_ns - int(self.settings.keep_days * 86400 * 1e9)

    def prune(self, state: State, now_ns: int) -> State:
        """Former versions and deletions go after keep_days; deletions before that when there are too many."""
        state = replace(state, files=decide.remembered(state.files))
        mark = self.layout.run / "pruned"
        if mark.exists() and 0 <= time.time() - mark.stat().st_mtime < PRUNE_EVERY_S:
            return state
        limit = self.oldest(now_ns)
        for shelf in self.layout.history.iterdir():
            for item in shelf.glob("*.json"):
                if str(read_json(item).get("replaced", "")) < instant(limit):
                    self.step("unlink", str(item))
                    item.with_suffix("").unlink(missing_ok=True)
                    item.unlink()
            if not any(shelf.iterdir()):
                shelf.rmdir()
        mark.touch()
        files = {
            path: version for path, version in state.files.items() if not version.deleted or version.mtime_ns >= limit
        }
        return State(files, state.missing, state.rivals, state.entries)

    # --- installing --------------------------------------------------------------------------------------------------
    def begin(self, installs: List[Install]) -> None:
        items = [
            {"path": item.path, "version": manifest.as_json(item.version), "source": item.source} for item in installs
        ]
        self.note("journal.json", {"items": items})

    def draft(self, item: Install, now_ns: int) -> None:
        """What is there into the history, the new content beside its target; flush() before anything is replaced."""
        if item.before is not None:
            self.remember(item.path, item.before, item.source, item.reason, now_ns)
        if item.version.deleted:
            return
        data, owner = self.read(item.version), account(item.version)
        with directory(self.layout.root, item.entry, item.path, create=True) as parent:
            self.step("draft", item.path)
            remove(item.draft, parent)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            handle = os.open(item.draft, flags, 0o600, dir_fd=parent)
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                own(handle, item.version, owner)
                os.fsync(handle)

    def discard(self, item: Install) -> None:
        try:
            with directory(self.layout.root, item.entry, item.path, create=False) as parent:
                remove(item.draft, parent)
        except OSError:
            return  # heal() has the journal

    def swap(self, item: Install, now_ns: int) -> None:
        """The rename. What was there is in the history before, or the file stays as it is."""
        with directory(self.layout.root, item.entry, item.path, create=False) as parent:
            name = posixpath.basename(item.path)
            if look(name, parent) != item.key:
                raise Changed(item.path)
            if item.before is not None:
                self.step("aside", item.path)
                remove(item.aside, parent)
                os.link(name, item.aside, src_dir_fd=parent, dst_dir_fd=parent, follow_symlinks=False)
            try:
                self.step("swap", item.path)
                if item.version.deleted:
                    os.unlink(name, dir_fd=parent)
                else:
                    os.rename(item.draft, name, src_dir_fd=parent, dst_dir_fd=parent)
            except OSError:
                remove(item.aside, parent)  # nothing was replaced
                raise
            self.unsynced.add(Path(self.layout.root + posixpath.dirname(item.path)))

    def settled(self, item: Install, now_ns: int) -> None:
        """The end of a swap. When it fails the journal has to stay, and heal() does it the next time."""
        if item.before is not None:
            with directory(self.layout.root, item.entry, item.path, create=False) as parent:
                self.settle(item.path, item.aside, item.before, parent, now_ns)

    def settle(self, path: str, aside: str, before: Optional[Version], parent: int, now_ns: int) -> None:
        """What was replaced is forgotten under its second name, once the history has exactly that."""
        data = read_regular(Path(aside), self.settings.object_limit_bytes, parent)
        if data is not None and (before is None or hashlib.sha256(data).hexdigest() != before.sha256):
            # Somebody wrote it between the last look and the rename, or the run before broke off.
            status = os.stat(aside, dir_fd=parent, follow_symlinks=False)
            sha256, names, node = hashlib.sha256(data).hexdigest(), Names(), self.settings.node
            owner, group = names.user(status.st_uid), names.group(status.st_gid)
            self.keep(sha256, data)
            mode, mtime_ns = status.st_mode & 0o7777, max(0, status.st_mtime_ns)
            lost = Version(sha256, len(data), mode, owner, group, mtime_ns, node, {})
            self.remember(path, lost, node, "was changed at the moment when it was replaced", now_ns)
            self.flush()
        self.step("settle", path)
        remove(aside, parent)

    def heal(self, state: State, now_ns: int) -> State:
        """Ends what a run began that was killed: no draft stays, and a file that has its new version is known to."""
        items = self.notes("journal.json").get("items", [])
        files = dict(state.files)
        for document in items if isinstance(items, list) else []:
            try:
                path = document["path"]
                version = manifest.parse_version(document["version"], path)
            except (ManifestError, KeyError, TypeError) as error:
                raise SyncError(f"{self.layout.state / 'journal.json'}: {error!r}; move it away") from error
            entry = self.settings.entry(path)
            if entry is None:
                continue
            item = Install(entry, path, version, None, None, str(document.get("source", "")), "")
            try:
                with directory(self.layout.root, entry, path, create=False) as parent:
                    remove(item.draft, parent)
                    if look(item.aside, parent) is not None:
                        self.settle(path, item.aside, files.get(path), parent, now_ns)
                    if there(posixpath.basename(path), parent, version):
                        files[path] = version
            except FileNotFoundError:
                continue  # its directory was not made yet
        healed = State(files, state.missing, state.rivals, state.entries)
        if items:
            self.save(healed)
            self.note("journal.json", {})
        return healed


def remove(name: str, parent: int) -> None:
    try:
        os.unlink(name, dir_fd=parent)
    except FileNotFoundError:
        return


def look(name: str, parent: int) -> Optional[Key]:
    try:
        return key_of(os.stat(name, dir_fd=parent, follow_symlinks=False))
    except FileNotFoundError:
        return None


def there(name: str, parent: int, version: Version) -> bool:
    """Whether a file has the content of this version; rights are a matter of the next scan."""
    data = read_regular(Path(name), max(version.size, 1), parent)
    if version.deleted:
        return look(name, parent) is None
    return data is not None and hashlib.sha256(data).hexdigest() == version.sha256


def account(version: Version) -> Tuple[int, int]:
    """To whom a version belongs here. Asked before anything is made for it: what cannot be finished leaves no trace."""
    import grp
    import pwd

    try:
        return pwd.getpwnam(version.owner).pw_uid, grp.getgrnam(version.group).gr_gid
    except KeyError as error:
        raise SyncError(f"{version.owner}:{version.group} is not known on this node ({error.args[0]})") from error


def own(handle: int, version: Version, owner: Tuple[int, int]) -> None:
    """Owner, rights and time of a version; the rights last, since chown takes some away."""
    status = os.fstat(handle)
    if (status.st_uid, status.st_gid) != owner:
        os.fchown(handle, *owner)
    os.fchmod(handle, version.mode)
    os.utime(handle, ns=(version.mtime_ns, version.mtime_ns))


def used(*groups: Mapping[str, Version]) -> Set[str]:
    return {version.sha256 for files in groups for version in files.values()}
