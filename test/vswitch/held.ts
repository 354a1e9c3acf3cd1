/** A process that programs the seed's network with a holder, says so, and waits to be killed. */
import { systemClock } from '../../src/base/clock.ts';
import { NftablesSwitch } from '../../src/vswitch/nftables/nftables.ts';
import { Reconciler } from '../../src/vswitch/reconciler.ts';
import { HAVIP1, MAC1, seedNetwork } from '../network.ts';
import { KeptLog, boundTo } from './values.ts';

const reconciler = new Reconciler({ vswitch: new NftablesSwitch('havip'), clock: systemClock, log: new KeptLog() });
reconciler.configure(seedNetwork, 'enforce');
reconciler.want((desired) => desired.keepAlive(0));
reconciler.hold(HAVIP1, boundTo('tap7', MAC1, 41, 1_700_000_000_123));
process.stdout.write(`${reconciler.flush().state}\n`);
setInterval(() => {}, 1000);
