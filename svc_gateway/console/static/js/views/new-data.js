// Upload by drop or by button, choose files, and see the first rows as the platform reads them.
import { rpc, upload } from "../api.js";
import { differing, h, plural, showError } from "../dom.js";

const PREVIEW_ROWS = 4;

export class DataSection {
  constructor(changed) {
    this.files = [];
    this.changed = changed;
    this.problem = h("div", { id: "upload-error" });
    this.input = h("input", { type: "file", id: "file-input", accept: ".jsonl,.json,.csv,.parquet", multiple: true, onchange: () => this.take([...this.input.files]) });
    this.dropText = h("span", {}, "A ", h("code", {}, "prompt"), " or ", h("code", {}, "messages"), " column; ", h("code", {}, "completion"), " where you have labels; any others reach your reward function");
    this.drop = h("label", { class: "drop", for: "file-input", id: "drop" }, h("strong", {}, "Drop JSONL, CSV or Parquet here, or choose files"), this.dropText, this.input);
    for (const name of ["dragenter", "dragover"]) this.drop.addEventListener(name, (event) => { event.preventDefault(); this.drop.classList.add("over"); });
    for (const name of ["dragleave", "drop"]) this.drop.addEventListener(name, () => this.drop.classList.remove("over"));
    this.drop.addEventListener("drop", (event) => { event.preventDefault(); this.take([...event.dataTransfer.files]); });
    this.selects = {
      training_file: h("select", { id: "training-file", "data-field": "training_file", onchange: () => this.preview() }),
      evaluation_file: h("select", { id: "evaluation-file", "data-field": "evaluation_file" }),
    };
    this.rows = h("div", { class: "preview scroll", id: "preview", hidden: true });
    this.element = h("section", { class: "card", "aria-label": "Data" }, h("header", {}, h("h2", { class: "step-title" }, h("i", {}, "1"), "Data")),
      h("div", { class: "body stack" }, this.drop, this.problem,
        h("div", { class: "two" }, h("div", {}, h("label", { for: "training-file" }, "Training file"), this.selects.training_file), h("div", {}, h("label", { for: "evaluation-file" }, "Held-out file"), this.selects.evaluation_file)),
        this.rows));
  }

  async take(files) {
    showError(this.problem, null);
    for (const file of files) {
      this.dropText.replaceChildren(`Reading ${file.name}…`);
      try {
        const { id } = await upload(file);
        await this.refresh();
        const free = this.selects.training_file.value ? "evaluation_file" : "training_file";
        if (!this.selects[free].value) this.selects[free].value = id;
        await this.preview();
      } catch (error) {
        showError(this.problem, error);
      }
    }
    this.dropText.replaceChildren(plural(this.files.length, "file"), " uploaded so far");
    this.input.value = "";
    this.changed();
  }

  async refresh() {
    this.files = (await rpc("FilesService", "ListFiles", { pageSize: 200 })).files ?? [];
    for (const [name, select] of Object.entries(this.selects)) {
      const chosen = select.value;
      select.replaceChildren(h("option", { value: "" }, name === "training_file" ? "Choose a file" : "None"),
        ...this.files.map((file) => h("option", { value: file.id }, `${file.filename} · ${plural(file.rows ?? 0, "row")}, ${file.labelledRows ?? 0} labelled`)));
      select.value = this.files.some((file) => file.id === chosen) ? chosen : "";
    }
  }

  async preview() {
    const id = this.selects.training_file.value;
    this.rows.hidden = !id;
    if (!id) return;
    try {
      const { rows = [] } = await rpc("FilesService", "PreviewFile", { id, limit: PREVIEW_ROWS });
      const columns = [...new Set(rows.flatMap((row) => Object.keys(row.example ?? {})))].filter((name) => !["prompt", "messages"].includes(name)).slice(0, 3);
      const brief = differing(rows.map(promptOf));
      this.rows.replaceChildren(h("table", {}, h("thead", {}, h("tr", {}, ["prompt", ...columns].map((name) => h("th", {}, name)))),
        h("tbody", {}, rows.map((row) => h("tr", {}, h("td", {}, h("div", { class: "text", title: promptOf(row) }, brief(promptOf(row)))), columns.map((name) => h("td", {}, h("div", { class: "text muted" }, row.example[name] ?? ""))))))));
    } catch (error) {
      showError(this.rows, error);
    }
  }

  fill(spec) {
    for (const [name, select] of Object.entries(this.selects)) {
      const wanted = this.files.find((file) => file.id === spec[name] || file.filename === spec[name]?.split("/").pop());
      select.value = wanted?.id ?? "";
    }
    this.preview();
  }

  value() {
    return { training_file: this.selects.training_file.value, evaluation_file: this.selects.evaluation_file.value };
  }

  training() {
    return this.files.find((file) => file.id === this.selects.training_file.value);
  }

  evaluation() {
    return this.files.find((file) => file.id === this.selects.evaluation_file.value);
  }
}

/** The prompt as people read it: the last message, which the model answers. */
export const promptOf = (row) => row.messages?.at(-1)?.content ?? "";
