// The configuration of one phone by its own address: the flight recorder, opened at its file.

export { view } from "./phone.js";
