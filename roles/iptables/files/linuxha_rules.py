# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Load the firewall rules of this node: both address families or neither, and closed when that is impossible.

linuxha-rules load           load /etc/linuxha/rules unless it is loaded already; forwarding comes on last
linuxha-rules check [DIR]    load DIR for real in a throwaway network namespace; the rules here do not change
linuxha-rules status         what the kernel holds, as JSON; exit 0 only when it is what was loaded
linuxha-rules close          drop everything but loopback and the administrators, forwarding off
linuxha-rules stop           forwarding off, the rules stay
linuxha-rules trial [TOKEN]  how the rules on trial are doing, as JSON
linuxha-rules confirm TOKEN  keep the rules on trial; the SSH connection must be newer than they are
linuxha-rules rollback TOKEN the rules before the trial come back
linuxha-rules forbidden [VIP...]  connections that the rules in force would not let begin, as JSON
linuxha-rules flush [VIP...]      the same, and takes them out of the table of connections; flush-changed: once for
                                  the rules in force
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Callable, Iterable, Iterator, NoReturn, Optional, TypeVar

T = TypeVar("T")

RULES = Path(os.environ.get("LINUXHA_RULES", "/etc/linuxha/rules"))
RUN = Path(os.environ.get("LINUXHA_RUN", "/run/linuxha"))
FILES = ("ipsets", "rules.v4", "rules.v6", "closed.v4", "closed.v6")
MANIFEST = "SHA256SUMS"
TESTED = "tested.json"
# The tables that belong to this program; others (mangle) are left alone.
TABLES = {
    "raw": ("PREROUTING", "OUTPUT"),
    "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
    "filter": ("INPUT", "FORWARD", "OUTPUT"),
}
FAMILIES = {"ipv4": "iptables", "ipv6": "ip6tables"}
SUFFIX = {"ipv4": "v4", "ipv6": "v6"}
FORWARDING = {
    "ipv4": Path("/proc/sys/net/ipv4/ip_forward"),
    "ipv6": Path("/proc/sys/net/ipv6/conf/all/forwarding"),
}
# Named by their content by whoever wrote the files; see load_sets.
OWN_SET = re.compile(r"lh[46][-~][A-Za-z0-9_.-]+")
# Of iptables-legacy, see iptables(8), --wait. Shorter than the time that run() leaves a program.
LOCK = Path(os.environ.get("XTABLES_LOCKFILE", "/run/xtables.lock"))
LOCK_WAIT_S = 20
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "XTABLES_LOCKFILE": str(LOCK)}
# Of last resort: nothing but loopback, for when even the rendered closed ruleset is damaged.
LAST_RESORT = """*raw
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
COMMIT
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT DROP [0:0]
-A INPUT -i lo -j ACCEPT
-A OUTPUT -o lo -j ACCEPT
COMMIT
"""


class RulesError(Exception):
    """The reason why something was not loaded, in one line."""


class NotUndoneError(RulesError):
    """The rules before are not all back: the families, or rules and sets, are of two policies."""


def run(argv: list[str], text: Optional[str] = None) -> str:
    try:
        done = subprocess.run(
            argv, input=text, capture_output=True, text=True, env=ENVIRONMENT, timeout=50, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RulesError(f"{argv[0]}: {error}") from error
    if done.returncode != 0:
        reason = " ".join((done.stderr or done.stdout).split()) or f"exit status {done.returncode}"
        raise RulesError(f"{' '.join(argv)}: {reason}")
    return done.stdout


# --- the files -------------------------------------------------------------------------------------------------------


def read(directory: Path) -> dict[str, str]:
    """Content by name. A file that is not what was installed is refused: half a table would leave the rest open."""
    try:
        manifest = (directory / MANIFEST).read_text(encoding="ascii")
        content = {name: (directory / name).read_bytes() for name in FILES}
    except (OSError, UnicodeDecodeError) as error:
        raise RulesError(f"cannot read the rules: {error}") from error
    sums = {line[66:]: line[:64] for line in manifest.splitlines()}
    for name, data in content.items():
        if sums.get(name) != hashlib.sha256(data).hexdigest():
            raise RulesError(
                f"{directory / name} is damaged or was edited by hand (checksum differs); run the playbook again"
            )
    return {name: data.decode("utf-8") for name, data in content.items()}


def digest(texts: dict[str, str]) -> str:
    return hashlib.sha256(json.dumps(texts, sort_keys=True).encode()).hexdigest()


def policy_of(texts: dict[str, str]) -> Optional[str]:
    found = re.search(r"^# policy ([0-9a-f]+)$", texts.get("rules.v4", ""), re.MULTILINE)
    return found.group(1) if found else None


# --- the kernel ------------------------------------------------------------------------------------------------------


def saved(family: str, shared: Optional[bool] = None) -> str:
    """The rules in the kernel that are ours, in a form that restore() takes: our tables, or in them our chains only."""
    text = run([f"{FAMILIES[family]}-save"])
    if mode() == "shared" if shared is None else shared:
        return str(modes().own(text, TABLES))
    kept = []
    for table, chains in TABLES.items():
        block = re.search(rf"^\*{table}\n(.*?)^COMMIT$", text, re.MULTILINE | re.DOTALL)
        body = block.group(1) if block else "".join(f":{chain} ACCEPT [0:0]\n" for chain in chains)
        kept.append(f"*{table}\n{body}COMMIT\n")
    return "".join(kept)


def all_saved(shared: Optional[bool], pool: ThreadPoolExecutor) -> dict[str, Future[str]]:
    """Both families at once: with many rules nothing takes longer than to have them printed."""
    return {family: meanwhile(pool, saved, family, shared) for family in FAMILIES}


def meanwhile(pool: ThreadPoolExecutor, function: Callable[..., T], *arguments: Any) -> Future[T]:
    try:
        return pool.submit(function, *arguments)
    except RuntimeError as error:
        raise RulesError(f"cannot start a thread: {error}") from error


def fingerprint(text: str) -> str:
    return hashlib.sha256(re.sub(r"\[\d+:\d+\]", "[0:0]", text).encode()).hexdigest()


def restore(family: str, text: str) -> None:
    say_when_locked()
    more = []
    if modes().is_shared(text):
        kernel = run([f"{FAMILIES[family]}-save"])
        # Rules that had the tables for themselves leave nothing behind; there is nobody else to spare.
        alone = mode() == "exclusive"
        text = modes().whole(text, TABLES) if alone else modes().transaction(text, kernel, TABLES)
        more = [] if alone else ["--noflush"]
    run([f"{FAMILIES[family]}-restore", f"--wait={LOCK_WAIT_S}", *more], text)


def say_when_locked() -> None:
    """The legacy backend waits for the xtables lock, and silence would look like a hang; nf_tables has no such lock."""
    try:
        with LOCK.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        if backend() == "legacy":
            print(f"another program holds the xtables lock ({LOCK}); waiting up to {LOCK_WAIT_S} s", file=sys.stderr)
    except OSError:
        return


def set_forwarding(on: bool) -> None:
    for family, path in FORWARDING.items():
        if not path.exists():  # a kernel without this family
            continue
        if path.read_text(encoding="ascii").strip() != str(int(on)):
            try:
                path.write_text(f"{int(on)}\n", encoding="ascii")
            except OSError as error:
                raise RulesError(f"cannot switch forwarding for {family}: {error}") from error


def forwarding() -> dict[str, bool]:
    return {
        family: path.exists() and path.read_text(encoding="ascii").strip() == "1" for family, path in FORWARDING.items()
    }


def backend() -> str:
    version = run(["iptables-restore", "--version"])
    return "nft" if "nf_tables" in version else "legacy"


def refuse_two_backends() -> None:
    """Rules in the other backend would be enforced too, and nobody would see them here."""
    other = "legacy" if backend() == "nft" else "nft"
    for family, tool in FAMILIES.items():
        names = Path(f"/proc/net/{'ip' if family == 'ipv4' else 'ip6'}_tables_names")
        if other == "legacy" and not (names.exists() and names.read_text(encoding="ascii").strip()):
            continue  # asking would create the tables
        try:
            text = run([f"{tool}-{other}-save"])
        except RulesError:
            continue  # this backend is not installed
        if re.search(r"^-A |^:\S+ DROP", text, re.MULTILINE):
            raise RulesError(
                f"the {other} backend of {tool} holds rules as well; remove them (see {tool}-{other}-save) "
                "or choose one backend"
            )


# --- sets of addresses -----------------------------------------------------------------------------------------------
# A set is named by its content, so one that rules of the kernel refer to is never changed: other content is another
# set, which is there and filled before the rules come and goes after they have gone.


def wanted_sets(text: str) -> tuple[str, dict[str, list[str]]]:
    """The lines about other sets (the gate), and by name the lines of each set of ours."""
    others, found = [], {}
    for line in text.splitlines():
        words = line.split(None, 2)
        if len(words) > 2 and words[0] in ("create", "add") and (words[1] in found or OWN_SET.fullmatch(words[1])):
            found.setdefault(words[1], []).append(line)
        else:
            others.append(line)
    return "".join(line + "\n" for line in others), found


def saved_sets() -> str:
    """The sets of ours in the kernel, in a form that load_sets() takes."""
    lines = run(["ipset", "save"]).splitlines()
    return "".join(line + "\n" for line in lines if OWN_SET.fullmatch("".join(line.split()[1:2])))


def own_sets() -> dict[str, set[str]]:
    """The sets of ours in the kernel and what is in them."""
    found: dict[str, set[str]] = {}
    for line in run(["ipset", "save"]).splitlines():
        words = line.split()
        if words[1] in found or OWN_SET.fullmatch(words[1]):
            found.setdefault(words[1], set()).update(words[2:3] if words[0] == "add" else ())
    return found


def own_names() -> set[str]:
    """The names alone, which the kernel tells many times faster."""
    return set(filter(OWN_SET.fullmatch, run(["ipset", "list", "-name"]).split()))


def same_members(lines: list[str], held: set[str]) -> bool:
    entries = {line.split()[2] for line in lines if line.startswith("add ")}
    # Texts first: they differ only where ipset prints an address in another way.
    return entries == held or {ip_network(entry) for entry in entries} == {ip_network(entry) for entry in held}


def load_sets(text: str) -> set[str]:
    """Returns the names of all sets of ours in the text."""
    others, wanted = wanted_sets(text)
    # -exist keeps a set that is there, and what is in it: a reload never shuts or opens the gate.
    run(["ipset", "restore", "-exist"], others)
    held = own_sets() if wanted else {}
    lines: list[str] = []
    for name, own in wanted.items():
        if name not in held:
            lines += own
        elif not same_members(own, held[name]):
            # Somebody changed it: filled beside it and swapped, since rules refer to it.
            beside = f"{name[:3]}~{hashlib.sha256(name.encode()).hexdigest()[:20]}"
            lines += [f"destroy {beside}"] * (beside in held)
            lines += [re.sub(rf"^(create|add) {re.escape(name)} ", rf"\1 {beside} ", line) for line in own]
            lines += [f"swap {beside} {name}", f"destroy {beside}"]
    if lines:
        run(["ipset", "restore"], "".join(line + "\n" for line in lines))
    return set(wanted)


def forget_sets(keep: Iterable[str]) -> None:
    """Destroy sets of ours that are not needed. One that rules of others use stays, and is tried again next time."""
    kept = set(keep)
    deadline = time.monotonic() + 2
    while True:
        unused = sorted(own_names() - kept)
        if not unused:
            return
        try:
            run(["ipset", "restore"], "".join(f"destroy {name}\n" for name in unused))
        except RulesError as error:
            # nf_tables lets go of a set only a moment after the rules have gone. The first refusal ends the list.
            busy = re.search(r"in line (\d+)", str(error))
            position = int(busy.group(1)) - 1 if busy else 0
            if time.monotonic() > deadline:
                if position >= len(unused):
                    return
                print(f"linuxha-rules: {unused[position]} is used by rules of others and stays", file=sys.stderr)
                kept.add(unused[position])
            else:
                time.sleep(0.05)


def fingerprints(shared: Optional[bool] = None) -> dict[str, str]:
    """Rules and sets of each family in the kernel, for comparison."""
    with ThreadPoolExecutor() as pool:
        texts = all_saved(shared, pool)
        return fingerprints_of({family: text.result() for family, text in texts.items()}, own_sets())


def fingerprints_of(texts: dict[str, str], sets: dict[str, set[str]]) -> dict[str, str]:
    found = {}
    for family in FAMILIES:
        prefix = f"lh{SUFFIX[family][1]}-"
        mine = [item for item in sets.items() if item[0].startswith(prefix)]
        lines = [f"{name} {' '.join(sorted(members))}\n" for name, members in mine]
        found[family] = fingerprint(texts[family] + "".join(sorted(lines)))
    return found


def gate() -> dict[str, str]:
    states = {}
    for family, name in (("ipv4", "linuxha_gate4"), ("ipv6", "linuxha_gate6")):
        try:
            members = [line for line in run(["ipset", "save", name]).splitlines() if line.startswith("add ")]
            states[family] = "open" if len(members) >= 2 else "closed"
        except RulesError:
            states[family] = "absent"
    return states


# --- commands --------------------------------------------------------------------------------------------------------


@contextmanager
def locked() -> Iterator[None]:
    RUN.mkdir(mode=0o755, parents=True, exist_ok=True)
    with (RUN / "rules.lock").open("w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def recall(name: str = "rules.json") -> dict[str, Any]:
    try:
        state = json.loads((RUN / name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}


def mode() -> Optional[str]:
    """How the rules that are in force share their tables; None before the first ones."""
    state = recall()
    return str(state.get("mode", "exclusive")) if state else None


def mode_of(text: str) -> str:
    return "shared" if modes().is_shared(text) else "exclusive"


def remember(state: str, **more: Any) -> None:
    replace_json(RUN / "rules.json", {"state": state, "since": time.time(), **more})


def replace_json(path: Path, content: dict[str, Any]) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".rules-")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=1, sort_keys=True)
        os.fchmod(file.fileno(), 0o644)
    Path(name).replace(path)


def family_pool() -> ThreadPoolExecutor:
    """One after the other where both wait for one lock: each has its own time to wait, and neither sees the other's."""
    return ThreadPoolExecutor(max_workers=1 if backend() == "legacy" else None)


def restore_all(texts: dict[str, str], pool: ThreadPoolExecutor, then: Callable[[str], T]) -> dict[str, Future[T]]:
    """Load both families at once, and do something with each as soon as it is loaded.

    Each is a transaction of its own. The kernel refuses the one that began before the other was committed, and
    iptables-restore sends that again by itself (ERESTART in nft_action of iptables/nft.c).
    """

    def one(family: str) -> T:
        restore(family, texts[f"rules.{SUFFIX[family]}"])
        return then(family)

    return {family: meanwhile(pool, one, family) for family in FAMILIES}


def load_and_tell(texts: dict[str, str], shared: bool) -> dict[str, str]:
    """Load, and say what the kernel holds then. An error comes when both families are done, one way or the other."""
    needed = load_sets(texts["ipsets"])
    with family_pool() as pool:
        families = restore_all(texts, pool, lambda family: saved(family, shared))
        sets = meanwhile(pool, own_sets)
        held = {family: text.result() for family, text in families.items()}
    forget_sets(needed)
    left = own_names()
    return fingerprints_of(held, {name: members for name, members in sets.result().items() if name in left})


def intact(state: dict[str, Any]) -> bool:
    return bool(state.get("kernel") == fingerprints())


def put_in_force(directory: Path) -> dict[str, Any]:
    """Load the files of this directory and forward; returns what to remember. An error leaves all as it was."""
    texts = read(directory)
    refuse_two_backends()
    if not tested_already(texts):
        check_in_namespace(directory)
    before, shared, sets = before_loading(texts), mode_of(texts["rules.v4"]) == "shared", own_names()
    try:
        kernel = load_and_tell(texts, shared)
    except RulesError as error:
        undo(error, before)
        forget_sets(sets)
        raise
    set_forwarding(True)
    facts = {"files": digest(texts), "policy": policy_of(texts), "kernel": kernel, "backend": backend()}
    return {**facts, "mode": mode_of(texts["rules.v4"])}


def undo(reason: RulesError, before: dict[str, str]) -> None:
    """Each family on its own: one that does not go back is no reason to leave the other as it is."""
    problems = []
    for family, text in before.items():
        try:
            restore(family, text)
        except RulesError as problem:
            problems.append(f"the {family} rules before did not come back: {problem}")
    if problems:
        raise NotUndoneError("; ".join([str(reason), *problems])) from reason


def before_loading(texts: dict[str, str]) -> dict[str, str]:
    """What restore() needs to undo the load of these texts: our chains where others have theirs, or whole tables."""
    shared = mode_of(texts["rules.v4"]) == "shared" and mode() != "exclusive"
    with ThreadPoolExecutor() as pool:
        return {family: text.result() for family, text in all_saved(shared, pool).items()}


def load() -> None:
    state = recall()
    running = state.get("state") == "loaded"
    if not running:
        set_forwarding(False)
    try:
        texts = read(RULES)
        if running and state.get("files") == digest(texts) and intact(state) and all_forwarding():
            print("the rules are loaded already")
            return
        remember("loaded", **put_in_force(RULES))
    except (RulesError, OSError, UnicodeDecodeError) as error:
        if running and not isinstance(error, NotUndoneError):
            fail(f"{error}; the rules loaded before are still in force")
        shut(str(error))
        fail(f"{error}; closed: nothing is forwarded, only administrators reach this node")
    print(f"rules loaded, policy {policy_of(texts)}")


def all_forwarding() -> bool:
    return all(on or not FORWARDING[family].exists() for family, on in forwarding().items())


def shut(reason: str) -> list[str]:
    """Forwarding first, since it needs nothing but /proc; then the rules, each family on its own. Returns problems."""
    problems, loaded = [], set()
    try:
        set_forwarding(False)
    except (RulesError, OSError) as error:
        problems.append(str(error))
    for family, suffix in SUFFIX.items():
        try:
            try:
                text = verified(f"closed.{suffix}")
                restore(family, text)
                loaded.add(mode_of(text))
            except RulesError:
                restore(family, LAST_RESORT)
                loaded.add("exclusive")
        except RulesError as error:
            problems.append(str(error))
    # Whole tables of one family have policies that nobody but this program takes away again.
    closed_mode = "exclusive" if "exclusive" in loaded else "shared" if loaded else mode() or "exclusive"
    remember("closed", reason="; ".join([reason, *problems]), mode=closed_mode)
    for problem in problems:
        print(f"linuxha-rules: {problem}", file=sys.stderr)
    return problems


def verified(name: str) -> str:
    try:
        data = (RULES / name).read_bytes()
        manifest = (RULES / MANIFEST).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise RulesError(str(error)) from error
    if f"{hashlib.sha256(data).hexdigest()}  {name}" not in manifest.splitlines():
        raise RulesError(f"{name} is damaged")
    return data.decode("utf-8")


def check_in_namespace(directory: Path, noted: bool = True) -> None:
    """Really load everything where nobody is: --test alone knows neither sets nor what the kernel refuses."""
    texts = read(directory)
    program = [sys.executable, str(Path(__file__).resolve()), "check-here", str(directory), namespace()]
    try:
        run(["unshare", "--net", "--", *program])
    except RulesError as error:
        raise RulesError(f"the test load failed: {str(error).rsplit('linuxha-rules: ', maxsplit=1)[-1]}") from error
    if noted:
        RUN.mkdir(mode=0o755, parents=True, exist_ok=True)
        replace_json(RUN / TESTED, {"files": digest(texts), "programs": programs()})


def tested_already(texts: dict[str, str]) -> bool:
    """Whether this very content was taken since boot, by the programs that will load it: the module tests it first."""
    return recall(TESTED) == {"files": digest(texts), "programs": programs()}


def programs() -> list[list[Any]]:
    """Another package can refuse what the one before took."""
    names = ("ipset", "iptables-restore", "ip6tables-restore")
    found = [Path(shutil.which(name, path=ENVIRONMENT["PATH"]) or name) for name in names]
    return [[str(path.resolve()), path.stat().st_ino, path.stat().st_mtime_ns] for path in found if path.exists()]


def check_here(directory: Path, outside: str) -> None:
    if namespace() == outside:
        raise RulesError("check-here is meant for a network namespace of its own")
    texts = read(directory)
    load_sets(texts["ipsets"])
    with family_pool() as pool:
        for loaded in restore_all(texts, pool, str).values():
            loaded.result()
    for family, suffix in SUFFIX.items():
        restore(family, texts[f"closed.{suffix}"])


def namespace() -> str:
    return str(Path("/proc/self/ns/net").readlink())


def status() -> int:
    state = recall()
    answer: dict[str, Any] = {"state": state.get("state", "absent"), "reason": state.get("reason")}
    answer.update(policy=state.get("policy"), since=state.get("since"), backend=backend())
    answer.update(forwarding=forwarding(), gate=gate(), mode=mode())
    kernel = fingerprints()
    answer["kernel"] = kernel
    answer["drift"] = {family: state.get("kernel", {}).get(family) != value for family, value in kernel.items()}
    try:
        answer["files_differ"] = state.get("files") != digest(read(RULES))
    except RulesError as error:
        answer.update(files_differ=True, files_problem=str(error))
    answer.update(
        trial=trials().public(trials().recall_trial()), generation=beside("linuxha_generations").generation(RULES)
    )
    answer["ok"] = (
        answer["state"] == "loaded"
        and not any(answer["drift"].values())
        and not answer["files_differ"]
        and all_forwarding()
    )
    print(json.dumps(answer, sort_keys=True))
    return 0 if answer["ok"] else 1


def beside(name: str) -> Any:
    """A module that is installed in the directory of this file."""
    here = str(Path(__file__).resolve().parent)
    if here not in sys.path:
        sys.path.insert(0, here)
    return importlib.import_module(name)


def trials() -> Any:
    """The commands around a trial, which build on this file."""
    return beside("linuxha_trial")


def modes() -> Any:
    return beside("linuxha_shared")


def fail(reason: str) -> NoReturn:
    sys.exit(f"linuxha-rules: {reason}")


def main(argv: list[str]) -> int:
    command, directory = ([*argv[1:], ""])[0], Path(argv[2]) if len(argv) > 2 else RULES
    if command in ("", "-h", "--help"):
        print(__doc__)
        return 0 if command else 2
    try:
        if command == "status":
            return status()
        if command == "check":
            check_in_namespace(directory, noted="unnoted" not in argv[3:])
            return 0
        if command == "check-here":
            check_here(directory, argv[3] if len(argv) > 3 else namespace())
            return 0
        if command in ("try", "end-trial", "trial", "confirm", "rollback"):
            return int(trials().main(command, argv[2:]))
        if command in ("forbidden", "flush", "flush-changed"):
            return int(beside("linuxha_flush").main(command, argv[2:]))
        with locked():
            trials().make_way(command)
            if command == "load":
                load()
            elif command == "close":
                shut("closed by hand")
            elif command == "stop":
                set_forwarding(False)
                remember("stopped", **{key: value for key, value in recall().items() if key not in ("state", "since")})
            else:
                fail(f"unknown command {command!r}, see --help")
    except (RulesError, OSError) as error:
        fail(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
