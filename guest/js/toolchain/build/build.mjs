// From a project's entry module to a component: bundle, then componentize. Started by wisp's builder in the folder where
// the tools are installed; reads its job as JSON from the first argument, and writes one line of JSON to standard output:
// {} when all went well, else {"error": {"message", "file", "line", "text"}}.

import { readFile, writeFile } from "node:fs/promises";
import { SourceMap } from "node:module";
import path from "node:path";
import { rolldown } from "rolldown";

const job = JSON.parse(await readFile(process.argv[2], "utf8"));

async function bundle() {
  let unresolved;
  const build = await rolldown({
    input: job.entry,
    cwd: job.folder,
    platform: "neutral",
    external: (name) => job.external.some((prefix) => name.startsWith(prefix)),
    resolve: { alias: job.aliases, mainFields: ["module", "main"], conditionNames: ["wisp", "import", "default"] },
    onLog(level, log) {
      // Only a warning to the bundler, because something else might bring the module; here nothing does.
      if (log.code === "UNRESOLVED_IMPORT") unresolved ??= log;
    },
  });
  try {
    const { output } = await build.generate({
      file: path.join(job.folder, "bundle.js"),
      format: "esm",
      codeSplitting: false,
      sourcemap: true,
    });
    if (unresolved !== undefined) throw unresolved;
    const chunk = output.find((item) => item.type === "chunk" && item.isEntry);
    return { code: chunk.code, map: chunk.map };
  } finally {
    await build.close();
  }
}

function placeOf(error) {
  const location = error.loc ?? {};
  return { file: location.file ?? error.id, line: location.line };
}

function bundleFailure(error) {
  const first = error.errors?.[0] ?? error;
  const text = strip(String(first.message ?? error.message));
  const shown = /\[\s*([^\]\s]+?):(\d+):\d+\s*\]/.exec(text) ?? /╭─\[\s*(.+?):(\d+):\d+\s*\]/.exec(text);
  const place = placeOf(first);
  const file = place.file ?? shown?.[1];
  const line = place.line ?? (shown ? Number(shown[2]) : undefined);
  const headline = text.split("\n").find((row) => row.trim() !== "") ?? "the project cannot be bundled";
  return { message: headline.replace(/^\s*\[[A-Z_]+\] /, "").trim(), file: file && path.resolve(job.folder, file), line, text };
}

// eslint-disable-next-line no-control-regex
const strip = (text) => text.replace(/\x1b\[[0-9;]*m/g, "");

async function componentize({ code, map }) {
  if (job.engine === "quickjs") {
    const tool = await import("componentize-qjs");
    const made = await tool.componentize({ witPath: job.wit, jsSource: code, world: job.world });
    return made.component;
  }
  const tool = await import("@bytecodealliance/componentize-js");
  const made = await tool.componentize(code, { sourceName: "bundle.js", witPath: job.wit, worldName: job.world, disableFeatures: ["fetch-event"] });
  return made.component;
}

function componentFailure(error, map) {
  const text = strip(String(error.message ?? error));
  const at = /(?:user|bundle)\.js:(\d+)(?::(\d+))?/.exec(text);
  const place = at && new SourceMap(JSON.parse(map.toString())).findEntry(Number(at[1]) - 1, Number(at[2] ?? 1) - 1);
  const headline = /(?:\b\w*Error|Problem): .+/.exec(text)?.[0] ?? text.split("\n")[0];
  const message = headline.replace(/^Error: /, "");
  const file = place?.originalSource && path.resolve(job.folder, place.originalSource);
  return { message, file, line: place?.originalLine === undefined ? undefined : place.originalLine + 1, text };
}

async function main() {
  let bundled;
  try {
    bundled = await bundle();
  } catch (error) {
    return { error: bundleFailure(error) };
  }
  try {
    await writeFile(job.output, await componentize(bundled));
  } catch (error) {
    return { error: componentFailure(error, bundled.map) };
  }
  return {};
}

process.stdout.write(`\n${JSON.stringify(await main())}\n`);
process.exit(0);
