// The number of phones per stage: a bar for each vendor, and buttons that filter the list.

import { html, svg } from "../../lit/lit-html.js";
import { icon } from "../../shell/icons.js";
import { t } from "../../text/index.js";
import { STAGES } from "./filters.js";

const WIDTH = 200;

function bar(stages) {
  const all = STAGES.reduce((sum, stage) => sum + (stages[stage] ?? 0), 0);
  let at = 0;
  return STAGES.filter((stage) => stages[stage]).map((stage) => {
    // A single phone of ten thousand stays visible.
    const width = Math.max(2, (stages[stage] / all) * WIDTH);
    const x = Math.min(at, WIDTH - 2);
    at += width;
    return svg`<rect class="is-${stage}" x=${x.toFixed(1)} y="0" width=${width.toFixed(1)} height="10"><title>${t(`page.stage.${stage}`)}: ${stages[stage]}</title></rect>`;
  });
}

function summary(stages) {
  return STAGES.filter((stage) => stages[stage]).map((stage) => `${t(`page.stage.${stage}`)} ${stages[stage]}`).join(", ");
}

/** The overview. Calls `choose(part)` with the changed filters. */
export function overview(counts, vendors, filters, choose) {
  const sums = {};
  for (const stages of Object.values(counts)) {
    for (const [stage, number] of Object.entries(stages)) sums[stage] = (sums[stage] ?? 0) + number;
  }
  const title = (name) => vendors.find((vendor) => vendor.name === name)?.title ?? name;
  const vendorNames = Object.keys(counts).sort();
  if (vendorNames.length === 0) return "";
  return html`
    <section class="overview" aria-label=${t("page.overview")}>
      <div class="stages">
        ${STAGES.filter((stage) => sums[stage] || filters.stage === stage).map(
          (stage) => html`<button class="stage-chip ${stage}" aria-pressed=${filters.stage === stage}
            @click=${() => choose({ stage: filters.stage === stage ? "" : stage })}>
            ${icon(stage)}<span>${t(`page.stage.${stage}`)}</span><b>${(sums[stage] ?? 0).toLocaleString(document.documentElement.lang)}</b>
          </button>`,
        )}
      </div>
      <div class="vendors">
        ${vendorNames.map(
          (name) => html`<span class="vendor"><span class="title">${title(name)}</span>
            <svg viewBox="0 0 ${WIDTH} 10" preserveAspectRatio="none" role="img" aria-label="${title(name)}: ${summary(counts[name])}">${bar(counts[name])}</svg></span>`,
        )}
      </div>
    </section>`;
}
