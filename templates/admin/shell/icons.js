// Icons of states and buttons. Each has its own shape, so that colour is never the only difference.

import { svg, html } from "../lit/lit-html.js";

const SHAPES = {
  working: svg`<circle cx="8" cy="8" r="6.5"/><path d="M5 8.2l2.2 2.2L11.2 6"/>`,
  provisioned: svg`<circle cx="8" cy="8" r="6.5"/><path d="M8 4.6v3.6l2.4 1.5"/>`,
  underway: svg`<path d="M3 8a5 5 0 0 1 9-3M13 8a5 5 0 0 1-9 3"/><path d="M12.4 2.2V5H9.6M3.6 13.8V11h2.8"/>`,
  stuck: svg`<path d="M8 2l6.5 11.5h-13z"/><path d="M8 6.5v3.4M8 11.6v.4"/>`,
  overdue: svg`<circle cx="8" cy="8" r="6.5"/><path d="M8 4.5v4M8 10.9v.4"/>`,
  leaving: svg`<path d="M7 3H3v10h4M6.5 8H14M11 5l3 3-3 3"/>`,
  gone: svg`<circle cx="8" cy="8" r="6.5"/><path d="M5.5 5.5l5 5M10.5 5.5l-5 5"/>`,
  menu: svg`<path d="M2 4h12M2 8h12M2 12h12"/>`,
  search: svg`<circle cx="7" cy="7" r="4.5"/><path d="M10.5 10.5L14 14"/>`,
  close: svg`<path d="M4 4l8 8M12 4l-8 8"/>`,
  up: svg`<path d="M4 10l4-4 4 4"/>`,
  down: svg`<path d="M4 6l4 4 4-4"/>`,
  back: svg`<path d="M10 3L5 8l5 5"/>`,
  error: svg`<path d="M8 2l6.5 11.5h-13z"/><path d="M8 6.5v3.4M8 11.6v.4"/>`,
  warning: svg`<circle cx="8" cy="8" r="6.5"/><path d="M8 4.5v4M8 10.9v.4"/>`,
  information: svg`<circle cx="8" cy="8" r="6.5"/><path d="M8 7.4v4M8 4.7v.4"/>`,
};

/** An icon. Screen readers skip it, because its label is next to it. */
export const icon = (name) =>
  html`<svg class="icon icon-${name}" viewBox="0 0 16 16" aria-hidden="true">${SHAPES[name] ?? ""}</svg>`;
