// Keyboard shortcuts: search, rows of a list, previous and next call. They are off while the user types.
(function () {
  "use strict";

  var palette, field, results, keys;

  function typing(target) {
    return target.closest && target.closest("input, textarea, select, [contenteditable=''], [contenteditable=true]");
  }

  function openDialog(dialog) {
    if (dialog && !document.querySelector("dialog[open]")) dialog.showModal();
  }

  // Rows. The link of the row gets the focus, so that it is visible, read aloud, and opened by Enter.

  function links() {
    var rows = document.querySelectorAll("#result_list tbody tr, #content .tl-table tbody tr, .tl-panel .tl-table tbody tr");
    return Array.from(new Set(rows)).map(function (row) {
      return row.querySelector("th a[href], td a[href]");
    }).filter(function (link) { return link && link.offsetParent; });
  }

  function step(by) {
    var all = links();
    var row = document.activeElement && document.activeElement.closest("tr");
    var now = all.findIndex(function (link) { return link.closest("tr") === row; });
    var next = all[now === -1 ? 0 : Math.min(Math.max(now + by, 0), all.length - 1)];
    if (!next) return false;
    next.focus({ focusVisible: true });
    next.closest("tr").scrollIntoView({ block: "nearest" });
    return true;
  }

  function follow(rel) {
    var link = document.querySelector("a[rel=" + rel + "]");
    if (link) link.click();
    return Boolean(link);
  }

  var actions = {
    "/": function () { openDialog(palette); return true; },
    "?": function () { openDialog(keys); return true; },
    "j": function () { return step(1); },
    "k": function () { return step(-1); },
    "p": function () { return follow("prev"); },
    "[": function () { return follow("prev"); },
    "n": function () { return follow("next"); },
    "]": function () { return follow("next"); },
    "Escape": function () {
      if (links().indexOf(document.activeElement) === -1) return false;
      document.activeElement.blur();
      return true;
    },
  };

  document.addEventListener("keydown", function (event) {
    if (event.defaultPrevented || event.isComposing || typing(event.target)) return;
    if (document.querySelector("dialog[open]")) return;
    var search = event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey;
    if (!search && (event.ctrlKey || event.metaKey || event.altKey)) return;
    var action = actions[search ? "/" : event.key];
    if (!action || !action()) return;
    event.preventDefault();
    event.stopPropagation();  // the search field of a list would react to the slash too
  });

  // The search. Screen readers learn the chosen option from aria-activedescendant.

  function options() { return Array.from(results.querySelectorAll("[role=option]")); }

  function chosen() { return results.querySelector("[aria-selected=true]"); }

  function choose(option) {
    if (chosen()) chosen().setAttribute("aria-selected", "false");
    if (option) {
      option.setAttribute("aria-selected", "true");
      option.scrollIntoView({ block: "nearest" });
      field.setAttribute("aria-activedescendant", option.id);
    } else {
      field.removeAttribute("aria-activedescendant");
    }
  }

  function move(by) {
    var all = options();
    var now = all.indexOf(chosen());
    choose(all[now === -1 ? (by > 0 ? 0 : all.length - 1) : (now + by + all.length) % all.length]);
  }

  var loading = false;  // the results for the present term are being loaded
  var openWhenLoaded = false;  // Enter was pressed before the results arrived

  function open(inNewTab) {
    if (loading) { openWhenLoaded = true; return; }
    var option = chosen() || options()[0];
    if (!option) return;
    if (inNewTab) window.open(option.href, "_blank", "noopener"); else window.location.assign(option.href);
  }

  document.addEventListener("DOMContentLoaded", function () {
    palette = document.getElementById("palette");
    keys = document.getElementById("keys");
    if (!palette) return;
    field = document.getElementById("search-input-command");
    results = document.getElementById("command-results");
    field.addEventListener("input", function () { loading = field.value.trim() !== ""; openWhenLoaded = false; });
    field.addEventListener("keydown", function (event) {
      if (event.isComposing) return;
      if (event.key === "ArrowDown") move(1);
      else if (event.key === "ArrowUp") move(-1);
      else if (event.key === "Enter") open(event.ctrlKey || event.metaKey);
      else return;
      event.preventDefault();
    });
    results.addEventListener("htmx:afterSwap", function () {
      loading = false;
      choose(null);
      field.setAttribute("aria-expanded", String(options().length > 0));
      if (openWhenLoaded) open(false);
      openWhenLoaded = false;
    });
    palette.addEventListener("close", function () {
      window.htmx.trigger(field, "htmx:abort"); // the next search begins without results of this one
      field.value = "";
      results.textContent = "";
      loading = openWhenLoaded = false;
      choose(null);
      field.setAttribute("aria-expanded", "false");
    });
    [palette, keys].forEach(function (dialog) {
      dialog.addEventListener("click", function (event) { if (event.target === dialog) dialog.close(); });
    });
  });

  document.addEventListener("click", function (event) {
    if (event.target.closest("[data-palette]")) openDialog(palette);
    if (event.target.closest("[data-keys]")) openDialog(keys);
  });
})();
