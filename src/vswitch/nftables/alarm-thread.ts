/**
 * The thread behind alarm.ts: waits for announcements of transactions that are not our own, and of interfaces, and rings the bell for
 * each. It needs no memory of them; a loss (ENOBUFS) is a reason to ring, too.
 */
import { workerData } from 'node:worker_threads';
import { Epoll } from '../../abi/epoll.ts';
import { NetlinkSocket } from '../../abi/netlink.ts';
import { NETLINK_ROUTE, RTMGRP_LINK } from '../../abi/rtnetlink.ts';
import { attachFilter } from '../../abi/socket-filter.ts';
import type { AlarmTask } from './alarm.ts';
import { GROUP_NFTABLES, NEWGEN } from './monitor.ts';
import { NETLINK_NETFILTER } from './wire.ts';

const LD = 0x20;
const LDH = 0x28;
const JEQ = 0x15;
const RET = 0x06;
/** struct nlmsghdr: length u32 | type u16 | flags u16 | sequence u32 | port u32, in the machine's order; BPF loads big-endian. */
const TYPE_AT = 4;
const PORT_AT = 12;

/** Ends of transactions alone, and none of our own elements': those come with every claim. */
function filterOf(ownPort: number) {
  const swapped = Buffer.alloc(4);
  swapped.writeUInt32LE(ownPort);
  const type = Buffer.alloc(2);
  type.writeUInt16LE(NEWGEN);
  return [
    { code: LDH, jt: 0, jf: 0, k: TYPE_AT },
    { code: JEQ, jt: 0, jf: 2, k: type.readUInt16BE() },
    { code: LD, jt: 0, jf: 0, k: PORT_AT },
    { code: JEQ, jt: 0, jf: 1, k: swapped.readUInt32BE() },
    { code: RET, jt: 0, jf: 0, k: 0 },
    { code: RET, jt: 0, jf: 0, k: 0xffff_ffff },
  ];
}

function listen({ bell, endFd, ownPort }: AlarmTask): void {
  const socket = new NetlinkSocket(NETLINK_NETFILTER, GROUP_NFTABLES);
  const links = new NetlinkSocket(NETLINK_ROUTE, RTMGRP_LINK);
  const epoll = new Epoll(3);
  try {
    attachFilter(socket.fd, filterOf(ownPort));
    epoll.add(socket.fd, socket.fd);
    epoll.add(links.fd, links.fd);
    epoll.add(endFd, endFd);
    for (let ends = false; !ends;) {
      const count = epoll.wait(-1);
      for (const each of [socket, links]) each.receive(() => {});
      for (let i = 0; i < count; i++) ends ||= epoll.ready(i) === endFd;
      Atomics.add(bell, 0, 1);
      Atomics.notify(bell, 0);
    }
  } finally {
    epoll.close();
    socket.close();
    links.close();
  }
}

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what alarm.ts hands over
listen(workerData as AlarmTask);
