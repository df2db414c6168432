# SPDX-License-Identifier: MIT
"""More that is done to containers, images and the host: pauses, policies, pulls, and what somebody else takes away."""
import os
import signal
import subprocess
import time

import host
from driven import AGAIN, Wrong

# What somebody does to the network, a shell's line each; the engine undoes it.
DAMAGE = (
    "ip link set {bridge} down",
    "ip link del {bridge}",
    "ip addr flush dev {bridge} scope global",
    "nft delete table inet {engine}",
    "nft delete table bridge {engine}",
    "nft flush chain inet {engine} publish",
)
# And to the network of one container.
DAMAGE_OF_ONE = (
    "ip link set {link} down",
    "ip link set {link} nomaster",
    "ip link del {link}",
)


class More:
    """Mixed into a Driven and Blows that has self.containers, must and pick."""

    def is_paused(self, c):
        return self.must("inspect", "--format", "{{.State.Status}}", c.name) == "paused"

    def is_up(self, c):
        return self.rows().get(c.name, "").startswith("Up")

    def op_pause(self):
        """It stands still, whoever dies meanwhile."""
        c = self.pick(running=True, closed=False, doubtful=False)
        if not c:
            return self.op_run()
        self.must("pause", c.name)
        blow = self.rng.choice((lambda: "", lambda: "", self.fault_helper, self.fault_supervisor))()
        self.settled()
        if not self.is_paused(c):
            raise Wrong(f"{c.name} is paused, and inspect does not say so, {blow}")
        self.must("unpause", c.name)
        return f"pause and unpause {c.name}" + f", {blow} between" * bool(blow)

    def op_pull(self):
        """Removed and pulled, with or without a blow meanwhile; then it is there, whole."""
        other = self.o.other
        self.must("rmi", "-f", other)
        p = subprocess.Popen([self.o.bin + "/ctl", "pull", "-q", other], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                             stderr=subprocess.PIPE)
        blow = ""
        if self.rng.random() < 0.7:
            time.sleep(self.rng.random() * 0.1)
            blow = self.rng.choice((self.blow_imaged, self.blow_imaged, self.fault_supervisor))()
        self.cut_off_or_well(p, f"{blow} during ctl pull")
        self.wait_for("the image comes", lambda: self.ctl("pull", "-q", other)[0] == 0, AGAIN)
        self.must("run", "--rm", "--pull", "never", other, "true")
        return "rmi and pull" + f", {blow} meanwhile" * bool(blow)

    def blow_imaged(self):
        """One of its processes, or all."""
        how_many = self.rng.choice((1, 99))
        return f"killed {len(self.kill(lambda w: w.startswith('imaged'), how_many))} of imaged"

    def op_die(self):
        """Its first process is killed by somebody else: its policy starts it again."""
        c = self.pick(running=True, closed=False, doubtful=False, policy=True)
        if not c:
            return self.op_run()
        os.kill(int(self.must("inspect", "--format", "{{.State.Pid}}", c.name)), signal.SIGKILL)
        c.log.append("up")
        self.wait_for(f"{c.name} runs again", lambda: self.ctl("logs", c.name)[1].split() == c.log, AGAIN)
        return f"killed the first process of {c.name}"

    def fault_host(self):
        lines = DAMAGE
        c = self.pick(running=True)
        if c and self.rng.random() < 0.4:
            lines = DAMAGE_OF_ONE
        line = self.rng.choice(lines).format(bridge=self.o.name + "0", engine=self.o.name, link=c and host.link_of(c.ident))
        subprocess.run(line, shell=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                       check=False)
        return line
