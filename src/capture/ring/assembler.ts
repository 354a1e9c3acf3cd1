/**
 * eBPF by name: instructions (kernel Documentation/bpf/standardization/instruction-set.rst), places and jumps to them. Pure; police-program.ts
 * is written in it.
 */
import type { Instruction } from '../../abi/ebpf.ts';
import { assert } from '../../base/assert.ts';

/** R0 is what a call answers and a program returns, R1 to R5 go into a call, R6 is the context that LD_ABS wants, R10 the end of the stack. */
export const R0 = 0;
export const R1 = 1;
export const R2 = 2;
export const R6 = 6;
export const R7 = 7;
export const R8 = 8;
export const R9 = 9;
export const R10 = 10;

const JA = 0x05;
export const JEQ = 0x15;
export const JGT = 0x25;
export const JGT_REGISTER = 0x2d;
export const JNE = 0x55;
export const JLT = 0xa5;

/** An instruction; the place of a name; or a jump to a name. */
export type Line =
  | Instruction
  | { readonly at: string }
  | { readonly jump: number; readonly register: number; readonly value: number; readonly to: string };

export const word = (to: number, from: number, offset: number): Instruction => [0x61, to, from, offset, 0];
export const double = (to: number, from: number, offset: number): Instruction => [0x79, to, from, offset, 0];
/** LD_ABS and LD_IND: frame bytes in host order into R0; beyond the end of the frame the program ends with 0. */
export const frameWord = (at: number): Instruction => [0x20, 0, 0, 0, at];
export const frameHalf = (at: number): Instruction => [0x28, 0, 0, 0, at];
export const frameByte = (at: number): Instruction => [0x30, 0, 0, 0, at];
export const frameByteBehind = (register: number, at: number): Instruction => [0x50, 0, register, 0, at];
export const move = (to: number, from: number): Instruction => [0xbf, to, from, 0, 0];
export const set = (to: number, value: number): Instruction => [0xb7, to, 0, 0, value];
export const and = (to: number, value: number): Instruction => [0x57, to, 0, 0, value];
export const add = (to: number, value: number): Instruction => [0x07, to, 0, 0, value];
export const shiftRight = (to: number, bits: number): Instruction => [0x77, to, 0, 0, bits];
export const shiftLeft = (to: number, bits: number): Instruction => [0x67, to, 0, 0, bits];
export const call = (helper: number): Instruction => [0x85, 0, 0, 0, helper];
export const exit: Instruction = [0x95, 0, 0, 0, 0];
export const xor = (to: number, from: number): Instruction => [0xaf, to, from, 0, 0];
export const go = (to: string): Line => ({ jump: JA, register: 0, value: 0, to });
export const goIf = (register: number, jump: number, value: number, to: string): Line => ({ jump, register, value, to });

export function assemble(lines: readonly Line[]): Instruction[] {
  const places = new Map<string, number>();
  let length = 0;
  for (const line of lines) {
    if (isPlace(line)) places.set(line.at, length);
    else length++;
  }
  const program: Instruction[] = [];
  for (const line of lines) {
    if (isInstruction(line)) program.push(line);
    else if (!isPlace(line)) {
      const to = places.get(line.to);
      assert(to !== undefined, `there is a place ${line.to}`);
      program.push([line.jump, line.register, 0, to - program.length - 1, line.value]);
    }
  }
  return program;
}

/** Arrays have a method `at`. */
function isInstruction(line: Line): line is Instruction {
  return Array.isArray(line);
}

function isPlace(line: Line): line is { readonly at: string } {
  return !isInstruction(line) && 'at' in line;
}
