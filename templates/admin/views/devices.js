// All phones of the instance.

import { html, render } from "../lit/lit-html.js";
import { repeat } from "../lit/directives/repeat.js";
import { address } from "../shell/routes.js";
import { mac, t } from "../text/index.js";

/** The tab `Devices`. */
export const view = {
  title: "page.tab.devices",
  open(element, app) {
    let rows = [];
    const show = () =>
      render(
        html`<ul>${repeat(rows, (row) => row.id, (row) => html`<li><a href=${address("devices", row.mac)}>${mac(row.mac)}</a> ${row.name} ${t(`cause.${row.cause}.state`)}</li>`)}</ul>`,
        element,
      );
    const followed = app.talk.follow("Devices", { offset: 0, count: 100, subscribe: true }, (answer) => {
      rows = answer.rows;
      show();
    }, "DevicesChanged", (changed) => {
      const known = new Map([...rows, ...(changed.rows ?? [])].map((row) => [row.id, row]));
      const order = changed.window ?? rows.map((row) => row.id);
      rows = order.map((id) => known.get(id)).filter(Boolean);
      show();
    });
    show();
    return { close: () => followed.stop() };
  },
};
