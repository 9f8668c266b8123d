// The view with version, instance and login.

import { html, render } from "../lit/lit-html.js";
import { moment, t } from "../text/index.js";

export const view = {
  title: "page.tab.about",
  open(element, app) {
    const { version, build, instance, person, now } = app.hello;
    const rows = { version, build, instance: `${instance.domain} / ${instance.name}`, person: person.name, login: t(`page.about.by-${person.login}`), time: moment(now, true) };
    render(
      html`
        <h1>${t("page.tab.about")}</h1>
        <dl class="facts">${Object.entries(rows).map(([name, value]) => html`<dt>${t(`page.about.${name}`)}</dt><dd>${value}</dd>`)}</dl>
        <p>${t("page.about.licences")}</p>
      `,
      element,
    );
    return { close() {} };
  },
};
