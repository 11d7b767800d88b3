// Reference of everything that the package exports, from the doc comments: `npm run reference`.
import { Converter, OptionDefaults } from "typedoc";
import metadata from "./package.json" with { type: "json" };

/** Makes summaries of the descriptions of the OpenAPI document, which `openapi-typescript` writes as tags. */
function summarize(application) {
  application.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
    for (const { comment } of Object.values(project.reflections)) {
      const description = comment?.getTag("@description");
      if (description) {
        comment.summary.push(...description.content);
        comment.removeTags("@description");
      }
    }
  });
}

/** @type {Partial<import("typedoc").TypeDocOptions>} */
export default {
  name: metadata.name,
  entryPoints: Object.values(metadata.exports).map((module) => module.types.replace("./dist/", "src/").replace(".d.ts", ".ts")),
  tsconfig: "tsconfig.build.json",
  out: "reference",
  plugin: [summarize],
  blockTags: [...OptionDefaults.blockTags, "@description"],
  disableSources: true,
  excludeInternal: true,
  excludePrivate: true,
  validation: { notExported: true, invalidLink: true, invalidPath: true, notDocumented: true },
  // Generated, and generic types whose instances are documented.
  intentionallyNotExported: ["src/types.ts:Schemas", "src/collections.ts:Read", "src/collections.ts:Write"],
  // Described by the comment of their type.
  intentionallyNotDocumented: [
    ...["ok", "value", "error"].map((field) => `index.Result.__type.${field}`),
    ...["keep", "merged", "strategy"].map((field) => `index.Choice.__type.${field}`),
    ...["item_type", "item_id"].map((field) => `index.ExportFile.device_only.__type.${field}`),
  ],
  treatWarningsAsErrors: true,
  treatValidationWarningsAsErrors: true,
};
