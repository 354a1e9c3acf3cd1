import { describe } from 'vitest';
import { MemorySwitch } from '../../src/vswitch/memory/memory.ts';
import { itConforms } from './conformance.ts';
import { LaterSwitch } from './later.ts';

describe('memory', () => itConforms(() => new MemorySwitch()));
describe('memory, answering later', () => itConforms(() => new LaterSwitch(new MemorySwitch(), 1)));
