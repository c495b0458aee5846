// Show panels as Grafana does. Reads [{type, frames, transformations, fieldConfig, reduceOptions, variables}] on standard
// input, writes what a person would see of each: the cells of a table, the figures of a stat, the series of a graph.
//
// Grafana's own code (@grafana/data) does what decides what is seen: transformations, names, units, mappings, thresholds,
// links. What is here stands for the parts of Grafana's application that hand that code its registries and variables.

// @grafana/data looks at these when it is loaded, for features that draw; nothing here draws.
globalThis.window = globalThis;
globalThis.self = globalThis;
globalThis.navigator ??= { language: 'zh-CN', languages: ['zh-CN'] };
const element = () => ({ getContext: () => null, style: {}, addEventListener() {}, appendChild() {} });
globalThis.document = { ...element(), createElement: element, head: element(), body: element(), documentElement: element() };

const grafana = require('@grafana/data');

const OPTIONS = ['unit', 'min', 'max', 'decimals', 'displayName', 'noValue', 'color', 'mappings', 'thresholds', 'links'];
const option = (id) => ({ id, path: id, name: id, process: grafana.identityOverrideProcessor, shouldApply: () => true });
const custom = { ...option('custom.cellOptions'), path: 'cellOptions', isCustom: true };
const fieldConfigRegistry = new grafana.FieldConfigOptionsRegistry(() => [...OPTIONS.map(option), custom]);

grafana.standardTransformersRegistry.setInit(() =>
  // One of them stands there under two names.
  [...new Set(Object.values(grafana.standardTransformers))].map((transformation) => ({
    id: transformation.id, name: transformation.name, transformation, editor: () => null,
  }))
);
grafana.setTimeZoneResolver(() => 'browser');
grafana.locationUtil.initialize({ config: { appSubUrl: '' }, getTimeRangeForUrl: () => ({}), getVariablesUrlParams: () => ({}) });
const theme = grafana.createTheme();

// ${__value.raw} and ${__data.fields.NAME} of a link, with Grafana's own look-up of fields; other names from `variables`.
function replacer(variables) {
  return (text, scoped) => (text || '').replace(/\$\{([^}:]+)(?::(\w+))?\}/g, (whole, path, format) => {
    const { frame, field, rowIndex } = scoped?.__dataContext?.value ?? {};
    let value = variables[whole.slice(2, -1)];
    if (path === '__value.raw') value = String(field.values[rowIndex]);
    if (path.startsWith('__data.fields.')) {
      value = String(grafana.getFieldDisplayValuesProxy({ frame, rowIndex })[path.slice('__data.fields.'.length)]);
    }
    if (value === undefined) throw new Error(`no such variable: ${whole}`);
    return format === 'percentencode' ? encodeURIComponent(value) : value;
  });
}

const COLOURS = new Map(['red', 'green', 'orange', 'yellow'].map((name) => [theme.visualization.getColorByName(name), name]));
const colour = (shown) => COLOURS.get(shown.color) ?? shown.color;
const text = (shown) => grafana.formattedValueToString(shown);

function table(frame) {
  const name = (field) => grafana.getFieldDisplayName(field, frame);
  const cell = (field, row) => {
    const shown = field.display(field.values[row]);
    return {
      text: text(shown),
      colour: field.config.custom?.cellOptions ? colour(shown) : null,
      link: field.config.links?.length ? field.getLinks({ valueRowIndex: row })[0].href : null,
    };
  };
  return {
    columns: frame.fields.map(name),
    rows: Array.from({ length: frame.length }, (_, row) => frame.fields.map((field) => cell(field, row))),
  };
}

function figures(panel, data, replaceVariables) {
  return grafana
    .getFieldDisplayValues({ fieldConfig: panel.fieldConfig, reduceOptions: panel.reduceOptions, replaceVariables, theme, data, timeZone: 'browser' })
    .map(({ display }) => ({ title: display.title ?? '', text: text(display), colour: colour(display) }));
}

function series(frames) {
  return frames.flatMap((frame) =>
    frame.fields.filter((field) => field.type === 'number').map((field) => ({
      title: grafana.getFieldDisplayName(field, frame, frames),
      last: text(field.display(field.values[field.values.length - 1])),
      points: field.values.length,
      colour: colour(field.display(field.values[field.values.length - 1])),
    }))
  );
}

function transformed(panel, replaceVariables) {
  return new Promise((resolve, reject) =>
    grafana.transformDataFrame(panel.transformations, panel.frames, { interpolate: replaceVariables }).subscribe({ next: resolve, error: reject })
  );
}

async function show(panel) {
  const replaceVariables = replacer(panel.variables);
  const data = grafana.applyFieldOverrides({
    data: await transformed(panel, replaceVariables),
    fieldConfig: panel.fieldConfig, replaceVariables, theme, timeZone: 'browser', fieldConfigRegistry,
  });
  if (panel.type === 'stat') return { figures: figures(panel, data, replaceVariables) };
  // A table shows one frame; what it cannot join would stay behind a drop-down list. Without any it says "no data".
  const empty = panel.fieldConfig.defaults.noValue ?? null;
  if (panel.type === 'table') return { frames: data.length, ...(data.length ? table(data[0]) : { columns: [], rows: [] }), empty };
  return { series: series(data), empty };
}

const chunks = [];
process.stdin.on('data', (chunk) => chunks.push(chunk));
process.stdin.on('end', async () => {
  const panels = JSON.parse(Buffer.concat(chunks).toString());
  process.stdout.write(JSON.stringify(await Promise.all(panels.map(show))));
});
