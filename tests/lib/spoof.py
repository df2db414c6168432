#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Frames that a container must not get through, and a witness of those that did.

  spoof.py watch IFACE        prints the name of each such frame that arrives on IFACE, until killed
  spoof.py sink PORT          prints the name of each such packet that a UDP socket gets, until killed
  spoof.py send IFACE KEY=VALUE...   sends one of each and prints their names; keys: mac ip ip6 (its own),
                              victim_mac victim victim6, gateway_mac gateway gateway6, only=NAME[,NAME...]

Every frame carries its name; `honest-*` are the ones that must arrive."""
import ipaddress
import re
import select
import socket
import struct
import sys

BROADCAST = "ff:ff:ff:ff:ff:ff"
ALL_NODES, ALL_NODES_MAC = "ff02::1", "33:33:00:00:00:01"
LLDP_MAC = "01:80:c2:00:00:0e"  # never bridged: for the port itself
ARP, IP4, IP6, VLAN, RARP = 0x0806, 0x0800, 0x86DD, 0x8100, 0x8035
MARK = b"<<spoof:%s>>"


mark = b""


def tag(name):
    """The frame being built carries this in its payload: what lies behind an IP packet may be cut off on the way."""
    global mark
    mark = MARK % name.encode()
    return name


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def ip(text):
    return ipaddress.ip_address(text).packed


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def link_local(text):
    m = bytearray(mac(text))
    m[0] ^= 2
    return str(ipaddress.IPv6Address(b"\xfe\x80" + bytes(6) + bytes(m[:3]) + b"\xff\xfe" + bytes(m[3:])))


def arp(op, sender_mac, sender, target_mac, target):
    return struct.pack("!HHBBH", 1, IP4, 6, 4, op) + mac(sender_mac) + ip(sender) + mac(target_mac) + ip(target)


def ip4(proto, source, to, payload):
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 1, 0, 64, proto, 0) + ip(source) + ip(to)
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def ip6(proto, source, to, payload, hops=255):
    return struct.pack("!IHBB", 6 << 28, len(payload), proto, hops) + ip(source) + ip(to) + payload


def udp(source_port, port, payload, source="0.0.0.0", to="0.0.0.0"):
    payload += mark
    head = struct.pack("!HHHH", source_port, port, 8 + len(payload), 0)
    if len(ip(source)) == 4:
        return head + payload
    pseudo = ip(source) + ip(to) + struct.pack("!II", 8 + len(payload), 17)
    return head[:6] + struct.pack("!H", checksum(pseudo + head + payload) or 0xFFFF) + payload


def icmp(kind, code, body):
    head = struct.pack("!BBH", kind, code, 0) + body + mark
    return head[:2] + struct.pack("!H", checksum(head)) + head[4:]


def icmp6(source, to, kind, body, extension=b""):
    """An extension header in front must not hide what follows."""
    option = mark.ljust((len(mark) + 9) // 8 * 8 - 2, b"\0")  # unknown, and passed over
    head = struct.pack("!BBH", kind, 0, 0) + body + bytes([253, (len(option) + 2) // 8]) + option
    pseudo = ip(source) + ip(to) + struct.pack("!II", len(head), 58)
    message = head[:2] + struct.pack("!H", checksum(pseudo + head)) + head[4:]
    return ip6(60 if extension else 58, source, to, extension + message)


def frames(a):
    """(name, destination, source, type, payload)"""
    me, victim, gateway = a["mac"], a["victim_mac"], a["gateway_mac"]
    mine6, zero, nobody = link_local(me), "00:00:00:00:00:00", "02:42:de:ad:be:ef"
    lladdr = b"\x02\x01" + mac(me)
    ra = struct.pack("!BBHII", 64, 0, 1800, 0, 0) + b"\x01\x01" + mac(me) + \
        b"\x03\x04" + struct.pack("!BBIII", 64, 0xC0, 86400, 86400, 0) + ip("2001:db8:bad::")
    padding = bytes([58, 0, 1, 4, 0, 0, 0, 0])  # destination options: PadN

    def unasked(target, source=None, extension=b""):
        return icmp6(source or a["ip6"], ALL_NODES, 136, struct.pack("!I", 0x20000000) + ip(target) + lladdr, extension)

    yield tag("honest-arp"), BROADCAST, me, ARP, arp(1, me, a["ip"], zero, a["victim"])
    yield tag("honest-ip4"), victim, me, IP4, ip4(17, a["ip"], a["victim"], udp(5, 9, b""))
    yield tag("honest-ip6"), victim, me, IP6, ip6(17, a["ip6"], a["victim6"], udp(5, 9, b"", a["ip6"], a["victim6"]))
    yield tag("honest-na"), ALL_NODES_MAC, me, IP6, unasked(a["ip6"])
    yield tag("dad"), ALL_NODES_MAC, me, IP6, icmp6("::", ALL_NODES, 135, bytes(4) + ip(a["ip6"]))
    # Frames
    yield tag("mac-of-nobody"), victim, nobody, IP4, ip4(17, a["ip"], a["victim"], udp(5, 9, b""))
    yield tag("mac-of-gateway"), BROADCAST, gateway, IP4, ip4(17, a["ip"], a["victim"], udp(5, 9, b""))
    yield tag("vlan-tag"), BROADCAST, me, VLAN, struct.pack("!HH", 7, ARP) + arp(2, me, a["gateway"], victim, a["victim"])
    yield tag("spanning-tree"), "01:80:c2:00:00:00", me, 38, b"\x42\x42\x03" + bytes(35)
    yield tag("rarp"), BROADCAST, me, RARP, arp(4, me, a["ip"], me, a["ip"])
    # ARP
    yield tag("arp-reply-as-gateway"), victim, me, ARP, arp(2, me, a["gateway"], victim, a["victim"])
    yield tag("arp-gratuitous-as-gateway"), BROADCAST, me, ARP, arp(1, me, a["gateway"], zero, a["gateway"])
    yield tag("arp-reply-as-victim"), gateway, me, ARP, arp(2, me, a["victim"], gateway, a["gateway"])
    yield tag("arp-request-as-victim"), BROADCAST, me, ARP, arp(1, me, a["victim"], zero, a["gateway"])
    yield tag("arp-own-address-at-victim"), BROADCAST, me, ARP, arp(2, victim, a["ip"], gateway, a["gateway"])
    yield tag("arp-as-nobody"), BROADCAST, me, ARP, arp(1, me, "172.20.77.77", zero, a["gateway"])
    # IPv4
    yield tag("ip4-as-victim"), gateway, me, IP4, ip4(17, a["victim"], a["gateway"], udp(5, 9999, b""))
    yield tag("ip4-as-gateway"), victim, me, IP4, ip4(17, a["gateway"], a["victim"], udp(5, 9, b""))
    yield tag("ip4-as-loopback"), gateway, me, IP4, ip4(17, "127.0.0.1", a["gateway"], udp(5, 9999, b""))
    yield tag("icmp-redirect"), victim, me, IP4, ip4(
        1, a["gateway"], a["victim"], icmp(5, 1, ip(a["ip"]) + ip4(17, a["victim"], "198.51.100.2", udp(5, 9, b""))))
    yield tag("icmp-redirect-own-name"), victim, me, IP4, ip4(
        1, a["ip"], a["victim"], icmp(5, 1, ip(a["ip"]) + ip4(17, a["victim"], "198.51.100.2", udp(5, 9, b""))))
    yield tag("dhcp-discover"), BROADCAST, me, IP4, ip4(17, "0.0.0.0", "255.255.255.255", udp(68, 67, bytes(240)))
    yield tag("dhcp-offer"), BROADCAST, me, IP4, ip4(17, a["ip"], "255.255.255.255", udp(67, 68, bytes(240)))
    yield tag("igmp-query"), "01:00:5e:00:00:01", me, IP4, ip4(2, a["ip"], "224.0.0.1", icmp(0x11, 100, bytes(4)))
    # IPv6
    yield tag("ra"), ALL_NODES_MAC, me, IP6, icmp6(mine6, ALL_NODES, 134, ra)
    yield tag("ra-behind-extension"), ALL_NODES_MAC, me, IP6, icmp6(mine6, ALL_NODES, 134, ra, padding)
    yield tag("ra-to-victim"), victim, me, IP6, icmp6(mine6, ALL_NODES, 134, ra)
    yield tag("na-for-gateway"), ALL_NODES_MAC, me, IP6, unasked(a["gateway6"])
    yield tag("na-for-victim"), ALL_NODES_MAC, me, IP6, unasked(a["victim6"])
    yield tag("na-for-victim-behind-extension"), ALL_NODES_MAC, me, IP6, unasked(a["victim6"], None, padding)
    yield tag("na-as-gateway"), ALL_NODES_MAC, me, IP6, unasked(a["ip6"], a["gateway6"])
    yield tag("ns-as-gateway"), ALL_NODES_MAC, me, IP6, icmp6(
        a["gateway6"], ALL_NODES, 135, bytes(4) + ip(a["victim6"]) + b"\x01\x01" + mac(me))
    yield tag("dad-of-victim"), ALL_NODES_MAC, me, IP6, icmp6("::", ALL_NODES, 135, bytes(4) + ip(a["victim6"]))
    yield tag("redirect6"), victim, me, IP6, icmp6(
        link_local(gateway), a["victim6"], 137, bytes(4) + ip(mine6) + ip("2001:db8:1::2") + lladdr)
    yield tag("redirect6-own-name"), victim, me, IP6, icmp6(
        mine6, a["victim6"], 137, bytes(4) + ip(mine6) + ip("2001:db8:1::2") + lladdr)
    yield tag("ip6-as-victim"), gateway, me, IP6, ip6(
        17, a["victim6"], a["gateway6"], udp(5, 9999, b"", a["victim6"], a["gateway6"]))
    yield tag("ip6-as-loopback"), gateway, me, IP6, ip6(17, "::1", a["gateway6"], udp(5, 9999, b"", "::1", a["gateway6"]))
    yield tag("dhcp6-reply"), ALL_NODES_MAC, me, IP6, ip6(
        17, mine6, ALL_NODES, udp(547, 546, bytes(40), mine6, ALL_NODES))
    yield tag("mld-query"), ALL_NODES_MAC, me, IP6, icmp6(mine6, ALL_NODES, 130, bytes(20))
    # To nobody that there could be
    yield tag("rs"), ALL_NODES_MAC, me, IP6, icmp6(mine6, ALL_NODES, 133, bytes(4))
    yield tag("mld-report"), ALL_NODES_MAC, me, IP6, icmp6(mine6, ALL_NODES, 143, bytes(4))
    # Past the bridge, to the host's end of the link
    yield tag("lldp-ip4"), LLDP_MAC, me, IP4, ip4(17, a["ip"], a["gateway"], udp(5, 9999, b""))
    yield tag("lldp-ip4-as-victim"), LLDP_MAC, victim, IP4, ip4(
        17, a["victim"], a["gateway"], udp(5, 9999, b""))
    yield tag("lldp-ra"), LLDP_MAC, me, IP6, icmp6(mine6, ALL_NODES, 134, ra)


def send(iface, pairs):
    a = dict(pair.split("=", 1) for pair in pairs)
    only = a.pop("only", "").split(",")
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    s.bind((iface, 0))
    for name, to, source, kind, payload in frames(a):
        if only == [""] or name in only:
            s.send((mac(to) + mac(source) + struct.pack("!H", kind) + payload).ljust(60, b"\0") + mark)
            print(name)


def tell(data, seen):
    for name in re.findall(rb"<<spoof:([a-z0-9-]+)>>", data):
        if name not in seen:
            seen.add(name)
            print(name.decode(), flush=True)


def watch(iface):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    s.bind((iface, 0))
    print("watching", flush=True)
    seen = set()
    while True:
        data, where = s.recvfrom(65536)
        if where[2] != socket.PACKET_OUTGOING:
            tell(data, seen)


def sink(port):
    sockets = [socket.socket(f, socket.SOCK_DGRAM) for f in (socket.AF_INET, socket.AF_INET6)]
    sockets[1].setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    for s in sockets:
        s.bind(("", int(port)))
    print("watching", flush=True)
    seen = set()
    while True:
        for s in select.select(sockets, [], [])[0]:
            tell(s.recv(65536), seen)


def main():
    what, args = sys.argv[1], sys.argv[2:]
    if what == "send":
        send(args[0], args[1:])
    elif what == "watch":
        watch(args[0])
    elif what == "sink":
        sink(args[0])
    else:
        return 2
    return 0


sys.exit(main())
