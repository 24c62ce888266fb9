# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""One run: look, publish, tell the peers, ask them, decide, fetch, check, put into place, act, and say how it is."""

from __future__ import annotations

import os
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Set, Tuple

from . import decide, status, versions
from .checks import Actions, Checker, Failures, split
from .decide import Decision, Found, Rules, State
from .fetch import Answer, Peers
from .layout import SyncError, read_json
from .manifest import Room, Version
from .scan import Scan, Scanner
from .settings import Entry, Peer, Settings
from .store import Changed, Install, Store, instant, used

PASSES = 5
# How long those who answer wait for one who does not.
PATIENCE_S = 1.0
# A file that changed this shortly ago may be half written; so it is looked at again, but not for ever.
QUIET_S = 0.1
QUIET_LOOKS = 5
Clock = Callable[[], int]


class Run:
    def __init__(
        self,
        settings: Settings,
        store: Store,
        peers: Peers,
        now_ns: Clock = time.time_ns,
        patient: bool = False,
    ):
        """`patient`: a change has started it, which may be what a run before has left; see Failures."""
        self.settings, self.store, self.peers, self.now_ns = settings, store, peers, now_ns
        self.patient = patient
        self.failures = Failures(store.layout, patient)
        self.report = status.Report()
        self.answers: Dict[str, Answer] = {}
        self.again = False
        self.unsettled = False
        self.taken: List[str] = []
        self.notified: Dict[str, str] = {}
        self.touched: Set[str] = set()
        workers = max(1, 2 * len(settings.peers))
        self.pool = ThreadPoolExecutor(max_workers=workers)
        self.asking: Dict[str, Future[Answer]] = {}
        self.telling: Dict[str, Future[str]] = {}

    def whole(self, cause: str) -> int:
        """Returns the exit status. The status is written also when the run could not be ended."""
        began, error = time.monotonic(), ""
        last = read_json(self.store.layout.run / "last.json")
        self.peers.away = {str(name) for name in last.get("away", [])}
        try:
            self.empty_wanted()
            self.store.ensure()
            state = self.store.heal(self.store.load(), self.now_ns())
            actions = Actions(self.store)
            due = actions.unfinished(self.patient)
            for number in range(PASSES):
                self.again = False
                state = self.once(state, actions, PATIENCE_S if number == 0 else None)
                actions.run(self.settings.entries, due | self.touched, instant(self.now_ns()))
                due = set()
                if not self.again and self.look(state)[0] == state:
                    break
            else:
                self.report.problems.append(f"files changed during each of {PASSES} looks; the next run goes on")
            self.failures.save()
            content = status.document(self.settings.node, self.report, self.answers, published(state), actions.results)
            status.write(self.store, content, self.now_ns())
        except (SyncError, OSError) as problem:
            error = str(problem)
            with suppress(OSError):  # what stopped the run has been said, and may stop this as well
                self.failures.save(cut=True)
        finally:
            self.pool.shutdown()
        self.notified = {name: future.result() or "told" for name, future in self.telling.items()}
        before = last.get("peers", {})
        last = {
            "last_run": instant(self.now_ns()),
            "cause": cause,
            "took_s": round(time.monotonic() - began, 3),
            "taken": self.taken,
            "notified": self.notified,
            "error": error,
            "away": sorted(name for name, answer in self.answers.items() if not answer.reached),
            "peers": status.clocks(self.answers, before if isinstance(before, dict) else {}, self.now_ns()),
        }
        status.write_last(self.store.layout, last)
        if error:
            print(f"linuxha-sync: {error}")
        return 1 if error else 0

    def empty_wanted(self) -> None:
        wanted = self.store.layout.wanted
        if wanted.is_dir():
            for item in list(os.scandir(wanted)):
                Path(item.path).unlink(missing_ok=True)

    # --- one pass ----------------------------------------------------------------------------------------------------
    def look(self, state: State) -> Tuple[State, Scan]:
        cache = self.store.load_cache()
        scan = Scanner(self.settings, cache, self.store.has, self.store.keep, self.store.layout.root).scan()
        self.store.save_cache(cache)
        entries = dict(scan.entries)
        unknown = set(scan.problems)
        for path in state.files:
            entry = self.settings.entry(path)
            if entry is not None:
                entries[path] = entry.path
                # A directory that is not there was not emptied file by file: it is not mounted, or it is new. Nor was
                # one that cannot be read, or in whose place something else stands.
                gone = entry.path in scan.absent or not scan.problems.keys().isdisjoint(above(path))
                if gone and entry.delete and not state.files[path].deleted:
                    unknown.add(path)
        deletes = {entry.path for entry in self.settings.entries if entry.delete}
        found = Found(scan.files, unknown)
        seen = decide.observe(state, found, entries, deletes, self.settings.node, self.now_ns())
        known = {entry.path for entry in self.settings.entries}
        return replace(seen, entries=known - (scan.absent - seen.entries)), scan

    def quiet(self, state: State) -> Tuple[State, Scan]:
        """A look at files that nobody is just writing."""
        for _number in range(QUIET_LOOKS):
            seen, scan = self.look(state)
            changed = [path for path in scan.keys if seen.files.get(path) != state.files.get(path)]
            if all(scan.keys[path][4] + int(QUIET_S * 1e9) <= self.now_ns() for path in changed):
                break
            time.sleep(QUIET_S)
        return seen, scan

    def once(self, state: State, actions: Actions, patience: Optional[float]) -> State:
        self.report, self.touched = status.Report(), set()
        before = published(state)
        seen, scan = self.quiet(state)
        seen = self.store.prune(seen, self.now_ns())
        self.store.save(seen)
        own = published(seen)
        if own != before:
            self.tell(peer for peer in self.settings.peers if peer.name not in self.peers.away)
        self.ask(patience)
        for path, reason in scan.problems.items():
            self.report.file(path, status.REFUSED, f"{reason}; this node neither publishes nor replaces it")
        decisions = self.decide(seen, scan)
        after = self.apply(seen, scan, decisions, actions)
        for path in decisions:
            if path not in self.report.files and path in after.files and not after.files[path].deleted:
                self.report.file(path, status.IN_STEP, "", after.files[path], after.files[path].by)
        if published(after) != own:
            self.tell(
                answer.peer
                for answer in self.answers.values()
                if answer.usable and decide.behind(published(after), answer.files)
            )
        self.store.clean(used(after.files))
        return after

    def tell(self, peers: Iterable[Peer]) -> None:
        """In the background. Who was away looks for itself when it comes back."""
        for peer in peers:
            self.telling[peer.name] = self.pool.submit(self.peers.notify, peer)

    def ask(self, patience: Optional[float]) -> None:
        """Asks all; who has not answered after `patience` is heard in another pass."""
        for peer in self.settings.peers:
            if peer.name not in self.asking:
                self.asking[peer.name] = self.pool.submit(self.peers.ask, peer)
        wait(self.asking.values(), timeout=patience)
        for peer in self.settings.peers:
            if self.asking[peer.name].done():
                self.answers[peer.name] = self.asking.pop(peer.name).result()
            else:
                self.again = True
                self.answers[peer.name] = Answer(peer, problem="has not answered yet")

    # --- what is to be done ------------------------------------------------------------------------------------------
    def decide(self, state: State, scan: Scan) -> Dict[str, Decision]:
        answers = {name: answer for name, answer in self.answers.items() if answer.usable}
        clocks = {name: answer.clock for name, answer in answers.items() if answer.clock is not None}
        paths = set(state.files)
        for name, answer in answers.items():
            foreign = [path for path in answer.files if self.settings.entry(path) is None]
            paths |= set(answer.files) - set(foreign)
            if foreign:
                self.report.problems.append(
                    f"{name} has {len(foreign)} files that are not declared here, such as {foreign[0]}; "
                    "bring the settings of both nodes to one state"
                )
        decisions = {}
        room, refused = Room(state.files), ""
        for path in sorted(paths):
            entry = self.settings.entry(path)
            if entry is None or path in scan.problems:
                continue
            if entry.path in scan.absent and entry.path in scan.problems:
                continue
            offers = {name: self.admitted(entry, path, name, answer, state) for name, answer in answers.items()}
            told = [version for version in offers.values() if version is not None]
            offered = next((version for version in told if entry.delete or not version.deleted), None)
            if path not in state.files and offered is not None:
                reason = room.refusal(path, offered)
                if reason:
                    refused = refused or f"{path} and perhaps more of the peers is not taken: {reason}"
                    continue
            rules = Rules(
                self.settings.node,
                self.settings.primary,
                entry.conflict,
                self.settings.skew_limit_s,
                entry.delete,
                self.now_ns(),
            )
            missing = path in state.missing or (
                entry.path in scan.absent and path in state.files and not state.files[path].deleted
            )
            decisions[path] = decide.decide(rules, state.files.get(path), missing, offers, clocks)
        if refused:
            self.report.problems.append(refused)
        return decisions

    def admitted(self, entry: Entry, path: str, name: str, answer: Answer, state: State) -> Optional[Version]:
        """The version of a peer, unless it may not lie there."""
        version = answer.files.get(path)
        if version is None:
            return None
        if version.deleted and path not in state.files and version.mtime_ns < self.store.oldest(self.now_ns()):
            return None  # else two nodes would keep a deletion alive for each other
        problem = entry.problem(version, self.settings.object_limit_bytes)
        if not problem:
            return version
        mine = state.files.get(path)
        if mine is None or versions.compare(version.vector, mine.vector) in (versions.AFTER, versions.CONCURRENT):
            self.report.file(path, status.REFUSED, f"the version of {name} {problem}", version, name)
        return None

    # --- doing it ----------------------------------------------------------------------------------------------------
    def apply(self, state: State, scan: Scan, decisions: Mapping[str, Decision], actions: Actions) -> State:
        files, installs = dict(state.files), []
        rivals: Dict[str, Dict[str, int]] = {}
        missing = set(state.missing)
        for path, decision in decisions.items():
            for rival in decision.rivals.values():
                rivals[path] = versions.merge(rivals.get(path, {}), rival.vector)
            if decision.state == decide.CONFLICT:
                self.report.file(path, status.CONFLICT, decision.reason, state.files.get(path))
            if decision.version is None:
                continue
            if decision.kind == decide.RECORD:
                files[path] = decision.version
            elif decision.kind == decide.TAKE:
                installs.append(self.install(path, decision, scan))
            elif path in missing:
                self.report.file(path, status.WAITING, "is missing here, and no peer has it", decision.version)
        recorded = State(files, missing, rivals, state.entries)
        checker = Checker(self.store)
        whole = {entry.name: items for entry, items in split(installs)}
        ready = self.checked(checker, self.brought(self.untried(installs), decisions))
        checker.save()
        done = self.put(recorded, ready, actions, whole) if ready else recorded
        done = replace(done, rivals=decide.unresolved(done.files, done.rivals))
        self.store.save(done)
        if not self.unsettled:
            self.store.note("journal.json", {})
        return done

    def install(self, path: str, decision: Decision, scan: Scan) -> Install:
        entry = self.settings.entry(path)
        assert entry is not None and decision.version is not None
        source = decision.sources[0] if decision.sources else self.settings.node
        reason = f"replaced by the version of {decision.version.by}, {decision.version.short()}"
        return Install(entry, path, decision.version, scan.files.get(path), scan.keys.get(path), source, reason)

    def untried(self, installs: Sequence[Install]) -> List[Install]:
        """Without what has just failed."""
        found: List[Install] = []
        for entry, items in split(installs):
            reason = self.failures.held(entry, items)
            if not reason:
                found += items
                continue
            for item in items:
                later = f"{reason}; the timer tries it again"
                self.report.file(item.path, status.FAILED, later, item.version, item.source)
        return found

    def brought(self, installs: Sequence[Install], decisions: Mapping[str, Decision]) -> List[Install]:
        """Fetches what is not here, from the first peer that has it, else from the next."""
        problems: Dict[str, str] = {}
        for turn in range(max(1, len(self.answers))):
            wanted: Dict[str, List[Version]] = {}
            for item in installs:
                sources = decisions[item.path].sources
                lacking = not item.version.deleted and not self.store.has(item.version.sha256)
                if lacking and turn < len(sources):
                    wanted.setdefault(sources[turn], []).append(item.version)
            for name, some in wanted.items():
                problems.update(self.peers.fetch(self.answers[name], some))
        here = []
        for item in installs:
            if item.version.deleted or self.store.has(item.version.sha256):
                here.append(item)
            else:
                reason = problems.get(item.version.sha256, "no peer that was reached has it")
                self.report.file(item.path, status.WAITING, f"was not fetched: {reason}", item.version, item.source)
        return here

    def checked(self, checker: Checker, installs: Sequence[Install]) -> List[Install]:
        good = []
        for entry, items in split(installs):
            try:
                refused = checker.ask(entry, items)
            except (SyncError, OSError) as error:
                for item in items:
                    self.report.file(item.path, status.FAILED, f"was not checked: {error}", item.version, item.source)
                continue
            for item in items:
                if item.path in refused:
                    self.report.file(item.path, status.REFUSED, refused[item.path], item.version, item.source)
                else:
                    good.append(item)
        return good

    def put(
        self, state: State, installs: Sequence[Install], actions: Actions, whole: Mapping[str, Sequence[Install]]
    ) -> State:
        """`whole`: what each entry was to get, of which some may have stayed out."""
        self.store.begin(list(installs))
        drafted = []
        for entry, items in split(installs):
            try:
                for item in items:
                    self.store.draft(item, self.now_ns())
            except (SyncError, OSError) as error:
                # All files of an entry or none.
                self.failures.note(entry, whole[entry.name], str(error))
                for item in items:
                    self.store.discard(item)
                    self.report.file(item.path, status.FAILED, str(error), item.version, item.source)
                continue
            drafted += items
        fresh = actions.plan([entry for entry, _items in split(drafted)], instant(self.now_ns()))
        self.store.flush()
        files, missing = dict(state.files), set(state.missing)
        for item in drafted:
            try:
                self.store.swap(item, self.now_ns())
            except Changed:
                self.again = True
                self.store.discard(item)
                self.report.file(item.path, status.WAITING, "changed at this moment", item.version, item.source)
                continue
            except (SyncError, OSError) as error:
                # The others of the entry are in place, and it alone is left to the next run.
                self.failures.note(item.entry, [item], str(error))
                self.store.discard(item)
                self.report.file(item.path, status.FAILED, str(error), item.version, item.source)
                continue
            files[item.path] = item.version
            missing.discard(item.path)
            self.touched.add(item.entry.name)
            self.taken.append(item.path)
            try:
                self.store.settled(item, self.now_ns())
            except (SyncError, OSError) as error:
                self.unsettled = True
                self.report.problems.append(f"{item.path}: what was replaced is still beside it: {error}")
        actions.drop([name for name in fresh if name not in self.touched])
        return State(files, missing, state.rivals, state.entries)


def above(path: str) -> Iterator[str]:
    """The directories of a path."""
    while path:
        path = path.rpartition("/")[0]
        yield path


def published(state: State) -> Dict[str, Version]:
    return {path: version for path, version in state.files.items() if path not in state.missing}
