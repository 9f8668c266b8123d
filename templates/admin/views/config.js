// The address of a phone's configuration: the view of the phone with the tab of its file open.

export { view } from "./phone.js";
