"""The servers that `run` measures: each an instance of its own in a fresh folder, on a loopback port, started and stopped here.

None is ever started as a service of the machine. A peer that cannot run raises `Unavailable` with the reason.
"""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

TICK = os.sysconf("SC_CLK_TCK")
START_WAIT_MAX = 60.0
DRAIN_WAIT_MAX = 180.0
POLICY = pathlib.Path("/usr/sbin/policy-rc.d")


class Unavailable(Exception):
    """Why a peer cannot run on this machine."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(condition, what, limit=START_WAIT_MAX):
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            raise Unavailable(f"waited {limit:.0f} s in vain for {what}")
        time.sleep(0.005)


def listens(port):
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as client:
            return client.recv(3) == b"220"
    except OSError:
        return False


def run(words, what, **more):
    """Runs a command that must succeed."""
    told = subprocess.run(words, capture_output=True, text=True, **more)
    if told.returncode:
        raise Unavailable(f"{what}: {(told.stderr or told.stdout).strip().splitlines()[-1:]}")
    return told.stdout


def install(package):
    """Installs a Debian package without letting its service start."""
    made = not POLICY.exists()
    if made:
        POLICY.write_text("#!/bin/sh\nexit 101\n")
        POLICY.chmod(0o755)
    try:
        quiet = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
        run(["apt-get", "update", "-qq"], "apt-get update", env=quiet)
        words = ["apt-get", "install", "-qq", "--yes", "--no-install-recommends", "--no-remove", package]
        run(words, f"installing {package}", env=quiet)
    finally:
        if made:
            POLICY.unlink()


class Server:
    """A server that runs; `pid` is the root of its processes, `mail` the folder that holds its Maildirs."""

    idle_sessions_max = 10_000

    def arrived(self):
        return sum(len(list(new.iterdir())) for new in self.mail.glob("**/new"))

    def processes(self):
        """The root and all its descendants."""
        children = {}
        for name in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                fields = pathlib.Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
                children.setdefault(int(fields[1]), []).append(int(name))
        found, front = [], [self.pid]
        while front:
            found.append(front.pop())
            front += children.get(found[-1], [])
        return found

    def cpu_seconds(self):
        """Of all its processes: to the nanosecond of those that live, in ticks of those that ended."""
        total = 0.0
        for pid in self.processes():
            with contextlib.suppress(OSError):
                # The CPU clock of another process, as clock_getcpuclockid(3) makes it.
                total += time.clock_gettime((~pid << 3) | 2)
                fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                total += (int(fields[13]) + int(fields[14])) / TICK
        return total

    def memory_bytes(self):
        """Of all its processes, what they share counted once."""
        total = 0
        for pid in self.processes():
            with contextlib.suppress(OSError):
                for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                    if line.startswith("Pss:"):
                        total += int(line.split()[1]) * 1024
        return total

    def drained(self, before, messages):
        wait_for(lambda: self.arrived() - before >= messages, f"{self.name}'s deliveries", DRAIN_WAIT_MAX)


class Process(Server):
    """A server that is one process in the foreground."""

    def begin(self, folder, words, **more):
        self.log = open(folder / "log", "w")
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, **more)
        self.pid = self.process.pid
        try:
            wait_for(lambda: self.process.poll() is not None or listens(self.port), f"{self.name} to listen")
            if self.process.poll() is not None:
                raise Unavailable(f"{self.name} ended: {(folder / 'log').read_text()[-500:]}")
        except Unavailable:
            self.stop()
            raise

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


class Sluice(Process):
    name = "sluice"

    def __init__(self, folder, options):
        self.port, self.mail = free_port(), folder / "data/mail"
        (folder / "data").mkdir()
        (folder / "sluice.toml").write_text(
            f'host_name = "mx.b.example"\ndata_directory = "{folder}/data"\n'
            "limits.connections_per_address_max = 20000\nlimits.messages_per_session_max = 1000000\n"
            f'[listeners.smtp]\naddress = "127.0.0.1:{self.port}"\n[tenants.b]\ndomains = ["b.example"]\n'
        )
        self.begin(folder, [options.sluice, "run", "--config", folder / "sluice.toml"])


class Haraka(Process):
    name = "haraka"

    def __init__(self, folder, options):
        npm = shutil.which("npm")
        if not npm:
            raise Unavailable("there is no npm (the Debian package npm has it)")
        home = options.cache / "haraka"
        if not (home / "node_modules/Haraka").is_dir():
            home.mkdir(parents=True, exist_ok=True)
            words = [npm, "install", "--no-audit", "--no-fund", "--omit=optional", "--ignore-scripts", "Haraka"]
            run(words, "npm install Haraka", cwd=home)
        self.port, self.mail = free_port(), folder / "mail"
        for made in ("config", "plugins", "queue", "mail/new", "mail/tmp"):
            (folder / made).mkdir(parents=True)
        settings = {
            "me": "mx.b.example", "plugins": "maildir", "loglevel": "ERROR",
            "smtp.ini": f"listen=127.0.0.1:{self.port}\nnodes=0\n", "databytes": "0",
        }
        for name, text in settings.items():
            (folder / "config" / name).write_text(text + "\n")
        # Haraka 3.3.4 crashes at its first client without a [message] section.
        shutil.copy(home / "node_modules/Haraka/config/connection.ini", folder / "config")
        (folder / "plugins/maildir.js").write_text(MAILDIR_JS.replace("MAIL", json.dumps(str(self.mail))))
        self.begin(folder, ["node", home / "node_modules/Haraka/bin/haraka", "-c", folder], cwd=folder)


# Haraka's own queue plugins either hand mail on or keep it unsynced: this one delivers as the others do, and syncs first.
MAILDIR_JS = """\
const fs = require('node:fs');
const root = MAIL;
let count = 0;
exports.hook_rcpt = (next) => next(OK);
exports.hook_queue = function (next, connection) {
    const name = `${Date.now()}.${process.pid}_${count++}.mx`;
    const fail = (error) => next(DENYSOFT, error.message);
    const out = fs.createWriteStream(`${root}/tmp/${name}`, { autoClose: false });
    out.on('error', fail);
    out.on('finish', () => fs.fsync(out.fd, (error) => {
        if (error) return fail(error);
        fs.closeSync(out.fd);
        fs.rename(`${root}/tmp/${name}`, `${root}/new/${name}`, (error) => {
            if (error) return fail(error);
            fs.open(`${root}/new`, (error, folder) => {
                if (error) return fail(error);
                fs.fsync(folder, (error) => { fs.closeSync(folder); error ? fail(error) : next(OK); });
            });
        });
    }));
    connection.transaction.message_stream.pipe(out);
};
"""


class OpenSmtpd(Server):
    name = "opensmtpd"

    def __init__(self, folder, options):
        raise Unavailable("its Debian package conflicts with Postfix's, which the gates are measured against")


class Postfix(Server):
    name = "postfix"
    # A process for each session: more would measure the machine's swap.
    idle_sessions_max = 300

    def __init__(self, folder, options):
        if os.geteuid() != 0:
            raise Unavailable("Postfix wants root")
        if not pathlib.Path("/usr/sbin/postfix").exists():
            install("postfix")
        self.port, self.folder = free_port(), folder
        self.etc, self.mail = folder / "etc", folder / "mail"
        for made in (self.etc, self.mail, folder / "spool", folder / "data"):
            made.mkdir()
        for owned in (self.mail, folder / "data"):
            shutil.chown(owned, "postfix", "postfix")
        user = pathlib.Path(self.mail).stat()
        settings = {
            "compatibility_level": "3.6", "queue_directory": folder / "spool", "data_directory": folder / "data",
            "daemon_directory": "/usr/lib/postfix/sbin", "command_directory": "/usr/sbin", "mail_owner": "postfix",
            "setgid_group": "postdrop", "myhostname": "mx.b.example", "mydestination": "", "inet_interfaces": "127.0.0.1",
            "inet_protocols": "ipv4", "mynetworks": "127.0.0.0/8", "virtual_mailbox_domains": "b.example",
            "virtual_mailbox_base": self.mail, "virtual_mailbox_maps": "static:bob/", "virtual_minimum_uid": "1",
            "virtual_uid_maps": f"static:{user.st_uid}", "virtual_gid_maps": f"static:{user.st_gid}",
            "smtpd_recipient_restrictions": "permit_mynetworks, reject", "alias_maps": "", "alias_database": "",
            "maillog_file": folder / "postfix.log", "maillog_file_prefixes": folder,
            "smtpd_client_connection_count_limit": "0", "local_recipient_maps": "", "smtpd_peername_lookup": "no",
            "default_process_limit": "500",
        }
        (self.etc / "main.cf").write_text("".join(f"{key} = {value}\n" for key, value in settings.items()))
        (self.etc / "master.cf").write_text(f"127.0.0.1:{self.port} inet n - n - - smtpd\n" + MASTER)
        self.command("start")
        try:
            wait_for(lambda: (folder / "spool/pid/master.pid").exists() and listens(self.port), "Postfix to listen")
        except Unavailable:
            self.stop()
            raise
        self.pid = int((folder / "spool/pid/master.pid").read_text())

    def command(self, word):
        told = subprocess.run(["/usr/sbin/postfix", "-c", self.etc, word], capture_output=True, text=True)
        if told.returncode:
            raise Unavailable(f"postfix {word}: {told.stderr}{(self.folder / 'postfix.log').read_text()[-500:]}")

    def stop(self):
        self.command("stop")


MASTER = """\
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""
