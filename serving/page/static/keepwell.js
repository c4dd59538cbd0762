/* Comfort only: everything on the page works without this file. */
"use strict";
(() => {
  document.documentElement.classList.add("scripted");

  const boxes = () => [...document.querySelectorAll('.pick input[name="merchant"]')];
  const tell = () => {
    const all = document.querySelector("[data-all]");
    if (!all) return;
    const chosen = boxes().filter((box) => box.checked).length;
    all.checked = chosen > 0 && chosen === boxes().length;
    all.indeterminate = chosen > 0 && !all.checked;
  };

  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-all]")) boxes().forEach((box) => { box.checked = event.target.checked; });
    tell();
  });

  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-print]")) window.print();
  });

  const slide = () => document.querySelectorAll("[data-slides]:not(.slides)").forEach((form) => {
    form.classList.add("slides");
    const number = form.querySelector('input[type="number"]');
    const range = document.createElement("input");
    Object.assign(range, { type: "range", min: number.min, max: number.max, value: number.value });
    range.setAttribute("aria-label", form.querySelector("label").textContent);
    range.addEventListener("input", () => { number.value = range.value; number.dispatchEvent(new Event("input", { bubbles: true })); });
    number.addEventListener("change", () => { range.value = number.value; });
    number.after(range);
    form.querySelector("button").classList.add("if-no-script");
  });

  const typing = (element) => element.matches("input:not([type=checkbox]), select, textarea");
  const step = (by) => {
    const links = [...document.querySelectorAll(".list a.name")];
    const next = links[links.indexOf(document.activeElement) + by] || (by > 0 ? links[0] : links[links.length - 1]);
    if (next) { next.focus(); next.scrollIntoView({ block: "nearest" }); }
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    const row = document.activeElement.closest("tr");
    if (event.key === "/") { const search = document.querySelector("#q") || document.querySelector("#find"); search.focus(); search.select(); }
    else if (event.key === "j") step(1);
    else if (event.key === "k") step(-1);
    else if (event.key === "x" && row) row.querySelector(".pick input").click();
    else return;
    event.preventDefault();
  });

  document.addEventListener("htmx:load", () => { slide(); tell(); });
  document.addEventListener("DOMContentLoaded", () => { slide(); tell(); });
})();
