import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { pollReadable } from '../../native-fixtures/lab/libc.ts';
import { interfaceCount, interfaceIndex, interfaceName, isSetUp } from '../../src/abi/interface.ts';
import * as libc from '../../src/abi/libc.ts';
import { LinkEvents } from '../../src/abi/rtnetlink.ts';
import { Injector } from '../../src/agent/injector.ts';
import { enterNewNamespace, ip, vethPair } from '../capture/netns.ts';

describe.skipIf(process.getuid?.() !== 0)('a look at an interface (needs root: a network namespace)', () => {
  let leave: () => void;
  let injector: Injector;
  let events: LinkEvents;
  let ifindex: number;

  beforeAll(() => {
    leave = enterNewNamespace();
    injector = new Injector();
    events = new LinkEvents();
  });
  afterAll(() => {
    events.close();
    injector.close();
    leave();
  });
  beforeEach(() => {
    vethPair('va', 'ga');
    ifindex = libc.ifNametoindex('va');
    return () => libc.ifNametoindex('va') > 0 && ip('link del va');
  });

  /** How often the interface had had a carrier when the kernel told that it had lost it. */
  function lostCarriers(): number {
    for (;;) {
      expect(pollReadable(events.fd, 5000)).toBe(true);
      let carriers = -1;
      events.drain((link, gone) => {
        if (link.index === ifindex && !gone && link.up && !link.carrier) ({ carriers } = link);
      });
      if (carriers >= 0) return carriers;
    }
  }

  it('sees a carrier go and come, with the count that the kernel told of the loss', () => {
    expect(injector.isThere(ifindex, -1)).toBe(true);
    events.drain(() => {});
    ip('link set ga down');
    const carriers = lostCarriers();
    expect(injector.isThere(ifindex, carriers)).toBe(false);
    expect(injector.isThere(ifindex, -1)).toBe(false);
    ip('link set ga up');
    expect(injector.isThere(ifindex, carriers)).toBe(true);
  });

  it('finds one by another name, and none that is set down or deleted', () => {
    ip('link set va down');
    expect(injector.isThere(ifindex, -1)).toBe(false);
    ip('link set va name away');
    ip('link set away up');
    expect(injector.isThere(ifindex, -1)).toBe(true);
    expect(injector.received(ifindex)).toBeGreaterThanOrEqual(0);
    ip('link del away');
    expect(injector.isThere(ifindex, -1)).toBe(false);
    expect(injector.received(ifindex)).toBeNull();
  });

  it('asks by calls that take no lock', () => {
    const fd = libc.socket(libc.AF_PACKET, libc.SOCK_RAW, 0);
    expect(interfaceName(fd, ifindex)).toBe('va');
    expect(interfaceName(fd, 9999)).toBeNull();
    expect(interfaceIndex(fd, 'va')).toBe(ifindex);
    expect(interfaceIndex(fd, 'no-such-if')).toBe(0);
    expect([isSetUp(fd, 'va'), isSetUp(fd, 'lo'), isSetUp(fd, 'no-such-if')]).toEqual([true, false, false]);
    libc.close(fd);
  });
});

it('takes counts from sysfs only where they are the interface’s own', () => {
  expect(interfaceCount('lo', 1, 'statistics/rx_packets')).toBeGreaterThanOrEqual(0);
  expect(interfaceCount('lo', 1, 'carrier_up_count')).toBeGreaterThanOrEqual(0);
  expect(interfaceCount('lo', 2, 'carrier_up_count')).toBeNull();
  expect(interfaceCount('no-such-if', 1, 'carrier_up_count')).toBeNull();
});
