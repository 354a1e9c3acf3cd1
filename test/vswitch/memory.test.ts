import { describe } from 'vitest';
import { MemorySwitch } from '../../src/vswitch/memory/memory.ts';
import { itConforms } from './conformance.ts';

describe('memory', () => itConforms(() => new MemorySwitch()));
