/** Makes a small lab with a busy guest, prints its name and stays until it is killed: for the test of clean-up. */
import { Lab } from './lab.ts';

const lab = await Lab.create({ guests: ['cvm-1'] });
lab.guest('cvm-1').spawn(['sleep', '600']);
console.log(lab.name);
