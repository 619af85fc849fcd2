// Small helpers of the back office. No inline script or handler is allowed by the content security policy.
(function () {
  "use strict";

  // Panels refresh themselves while the page is visible, each after its data-refresh seconds (default: three), unless
  // the user is busy in them. A focused link gets the focus back by its id.
  var BEAT = 3;
  var beats = 0;

  // Where a mouse button is down: the browser drops a click whose element is replaced before its end.
  var pressed = null;
  document.addEventListener("pointerdown", function (event) { pressed = event.button ? null : event.target; }, true);
  ["pointerup", "pointercancel"].forEach(function (name) {
    document.addEventListener(name, function () { pressed = null; }, true);
  });

  function busy(panel) {
    var at = document.activeElement;
    var picked = window.getSelection();
    return (
      panel.contains(pressed) ||
      panel.querySelector("details[open]") ||
      (panel.contains(at) && !(at.id && !at.matches("input, select, textarea, button"))) ||
      (picked && !picked.isCollapsed && panel.contains(picked.anchorNode))
    );
  }

  function refresh(panel) {
    var after = Math.ceil((Number(panel.dataset.refresh) || BEAT) / BEAT);
    if (beats % after === 0 && !busy(panel)) window.htmx.trigger(panel, "tl:refresh");
  }

  function beat() {
    if (document.hidden || !window.htmx) return;
    beats += 1;
    document.querySelectorAll("[data-refresh]").forEach(refresh);
  }

  window.setInterval(beat, BEAT * 1000);

  // The user may have become busy while the answer was on its way.
  document.addEventListener("htmx:beforeSwap", function (event) {
    var panel = event.detail.target;
    var refreshing = panel.matches("[data-refresh]") && event.detail.requestConfig.elt === panel;
    if (refreshing && busy(panel)) event.detail.shouldSwap = false;
  });

  // A part that is replaced keeps its horizontal scroll position.
  var scrolled = {};
  document.addEventListener("htmx:beforeSwap", function (event) {
    event.detail.target.querySelectorAll("[data-keep-scroll]").forEach(function (part) {
      scrolled[part.id] = part.scrollLeft;
    });
  });
  document.addEventListener("htmx:afterSettle", function () {
    Object.keys(scrolled).forEach(function (id) {
      var part = document.getElementById(id);
      if (part) part.scrollLeft = scrolled[id];
    });
    scrolled = {};
  });

  function addRow(rows) {
    var count = rows.querySelector("[data-rows-count]");
    var blank = rows.querySelector("[data-rows-blank]").content.cloneNode(true);
    blank.querySelectorAll("[name], [id], [for]").forEach(function (part) {
      ["name", "id", "for"].forEach(function (key) {
        if (part.hasAttribute(key)) part.setAttribute(key, part.getAttribute(key).replace("__row__", count.value));
      });
    });
    var first = blank.querySelector("input, select");
    var row = blank.querySelector("tr");
    rows.querySelector("[data-rows-body]").appendChild(blank);
    count.value = String(Number(count.value) + 1);
    if (rows.dataset.rowsMost === count.value) rows.querySelector("[data-rows-add]").hidden = true;
    equip(row);
    fit(row);
    if (first) first.focus();
  }

  // A row shows the fields that fit the choice in its first select. The others are not sent; a browser that comes back
  // to the page fills them again, which it does for no disabled field.
  function fit(row) {
    var choice = row.querySelector("select");
    row.querySelectorAll("[data-for]").forEach(function (part) {
      part.hidden = part.dataset.for.split("|").indexOf(choice.value) === -1;
    });
  }
  document.addEventListener("formdata", function (event) {
    event.target.querySelectorAll("[data-for][hidden] [name]").forEach(function (field) { event.formData.delete(field.name); });
  });
  document.addEventListener("change", function (event) {
    var row = event.target.closest("[data-rows] tr");
    if (row) fit(row);
  });

  document.addEventListener("click", function (event) {
    var add = event.target.closest("[data-rows-add]");
    if (add) addRow(add.closest("[data-rows]"));
    var zone = event.target.closest("[data-browser-zone]");
    if (zone) document.querySelector(zone.dataset.browserZone).value = Intl.DateTimeFormat().resolvedOptions().timeZone;
    var copy = event.target.closest("[data-copy]");
    if (copy) {
      var text = document.querySelector(copy.dataset.copy).textContent;
      if (navigator.clipboard) navigator.clipboard.writeText(text).then(function () { copy.textContent = word("copied"); });
    }
  });

  // The theme draws the charts of the loaded page. Charts of a part that is loaded later are drawn here. A chart that
  // stays while the part around it refreshes takes the new values.
  document.addEventListener("htmx:afterSettle", function (event) {
    var canvas = event.target.querySelector("canvas.chart");
    if (canvas && document.readyState === "complete" && !Chart.getChart(canvas)) renderCharts();
    event.target.querySelectorAll("[data-chart]").forEach(function (figure) {
      var chart = Chart.getChart(figure.querySelector("canvas"));
      if (!chart) return;
      JSON.parse(figure.dataset.chart).forEach(function (values, place) { chart.data.datasets[place].data = values; });
      chart.update();
    });
  });

  // The groups of the sidebar stay as the user left them. The group of the present page is open in any case.
  var KEPT = "tl-groups";
  function keptGroups() {
    try { return JSON.parse(window.localStorage.getItem(KEPT)) || {}; } catch (error) { return {}; }
  }
  window.addEventListener("DOMContentLoaded", function () {
    document.querySelectorAll("details[data-group]").forEach(function (group) {
      var open = keptGroups()[group.dataset.group];
      if (open !== undefined) group.open = open || Boolean(group.querySelector("[aria-current]"));
      group.querySelector("summary").addEventListener("click", function () {
        var kept = keptGroups();
        kept[group.dataset.group] = !group.open;
        window.localStorage.setItem(KEPT, JSON.stringify(kept));
      });
    });
    document.querySelectorAll("[data-submit]").forEach(function (field) {
      field.addEventListener("change", function () { field.form.submit(); });
      field.form.querySelector("button").hidden = true;
    });
  });

  function labelOf(select) {
    return select.getAttribute("aria-label") || (select.labels && select.labels[0] ? select.labels[0].textContent.trim() : "");
  }
  function searchBox(select) {
    var box = document.createElement("input");
    box.type = "search";
    box.className = "tl-input tl-picker";
    box.placeholder = word("search");
    box.autocomplete = "off";
    box.setAttribute("aria-label", [word("search"), labelOf(select)].filter(Boolean).join(": "));
    return box;
  }
  function hasWords(text, typed) {
    var plain = text.toLowerCase().replace(/_/g, " ");
    return typed.toLowerCase().split(/\s+/).every(function (word) { return plain.indexOf(word) !== -1; });
  }

  // The server puts options in the order of their English names. The empty one stays first.
  function inOrder(select) {
    var all = Array.prototype.slice.call(select.options), language = document.documentElement.lang;
    if (language && language !== "en") {
      var order = new Intl.Collator(language).compare, kept = select.value;
      all.sort(function (a, b) { return Boolean(a.value) - Boolean(b.value) || order(a.text, b.text); });
      if (!select.multiple) { select.replaceChildren.apply(select, all); select.value = kept; }
    }
    return all;
  }

  // A long select gets a box that shows only the options with the typed words. The selected option always stays.
  var FEW = 10;  // options that are found at a glance
  function addSearch(select) {
    if (select.options.length <= FEW) return;
    var all = inOrder(select);
    var box = searchBox(select);
    box.addEventListener("input", function () {
      var chosen = select.selectedOptions[0];
      select.replaceChildren.apply(select, all.filter(function (option) { return option === chosen || hasWords(option.text, box.value); }));
      select.value = chosen.value;
    });
    box.addEventListener("keydown", function (event) {
      if (event.key !== "Enter") return;
      event.preventDefault();
      var first = Array.prototype.find.call(select.options, function (option) { return !option.selected && option.value; });
      if (box.value && first) { select.value = first.value; select.dispatchEvent(new Event("change", { bubbles: true })); }
    });
    var frame = select.parentNode.querySelector(":scope > .material-symbols-outlined") ? select.parentNode : select;
    frame.parentNode.insertBefore(box, frame);  // the theme's frame holds the arrow of the select
  }

  // A select of several values becomes boxes to tick, behind a line that says which are. The select keeps the values.
  function addBoxes(select) {
    var label = labelOf(select);
    var frame = document.createElement("details");
    var line = document.createElement("summary");
    var list = document.createElement("div");
    var box = searchBox(select);
    function say() {
      var chosen = Array.prototype.map.call(select.selectedOptions, function (option) { return option.text; });
      line.textContent = chosen.join(", ") || word("choose");
      line.setAttribute("aria-label", label + ": " + line.textContent);
    }
    var ways = inOrder(select).map(function (option) {
      var way = document.createElement("label");
      var tick = document.createElement("input");
      tick.type = "checkbox";
      tick.checked = option.selected;
      tick.addEventListener("change", function () {
        option.selected = tick.checked;
        say();
        select.dispatchEvent(new Event("change", { bubbles: true }));
      });
      way.append(tick, option.text);
      return { way: way, tick: tick, option: option };
    });
    ways.sort(function (a, b) { return b.tick.checked - a.tick.checked; });  // the chosen ones first
    ways.forEach(function (each) { list.appendChild(each.way); });
    box.addEventListener("input", function () {
      ways.forEach(function (each) { each.way.hidden = !each.tick.checked && !hasWords(each.way.textContent, box.value); });
    });
    box.addEventListener("keydown", function (event) {
      if (event.key !== "Enter") return;
      event.preventDefault();
      var first = ways.find(function (each) { return !each.way.hidden && !each.tick.checked; });
      if (box.value && first) first.tick.click();
    });
    frame.className = "tl-several";
    list.className = "tl-ways";
    list.setAttribute("role", "group");
    list.setAttribute("aria-label", label);
    if (ways.length > 7) frame.append(line, box, list);
    else frame.append(line, list);
    say();
    window.addEventListener("pageshow", function () {  // the browser came back, and has filled the select only now
      ways.forEach(function (each) { each.tick.checked = each.option.selected; });
      say();
    });
    frame.addEventListener("keydown", function (event) {
      if (event.key !== "Escape" || !frame.open) return;
      frame.open = false;
      line.focus();
    });
    select.hidden = true;
    (select.labels || []).forEach(function (each) { each.addEventListener("click", function () { line.focus(); }); });
    select.parentNode.insertBefore(frame, select);
  }
  function equip(part) {
    part.querySelectorAll("select[data-picker]").forEach(function (select) { (select.multiple ? addBoxes : addSearch)(select); });
  }
  function fitAll() { document.querySelectorAll("[data-rows-body] > tr").forEach(fit); }
  window.addEventListener("DOMContentLoaded", function () { equip(document); fitAll(); });
  window.addEventListener("pageshow", fitAll);

  // Parts of a campaign's page became tabs: an address that named a part leads to its tab.
  var moved = { "#people": "tab-recipients", "#figures": "tab-results", "#settings": "tab-settings", "#history": "tab-history" };
  window.addEventListener("DOMContentLoaded", function () {
    var tab = document.getElementById(moved[window.location.hash]);
    if (tab && !tab.hasAttribute("aria-current")) window.location.replace(tab.href);
  });

  // A menu closes when the user clicks elsewhere, and with Escape, which gives the focus back to its button.
  function closeMenus(inside) {
    document.querySelectorAll("details.tl-menu[open]").forEach(function (menu) {
      if (!inside || !menu.contains(inside)) menu.open = false;
    });
  }
  document.addEventListener("click", function (event) { closeMenus(event.target); });
  document.addEventListener("keydown", function (event) {
    var menu = event.key === "Escape" && document.activeElement.closest("details.tl-menu[open]");
    if (!menu) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });

  // A table wider than the page scrolls: make it reachable with the keyboard.
  function makeScrollable() {
    document.querySelectorAll(".tl-scroll").forEach(function (part) {
      if (part.scrollWidth > part.clientWidth) part.tabIndex = 0;
      else part.removeAttribute("tabindex");
    });
  }
  window.addEventListener("load", makeScrollable);
  window.addEventListener("resize", makeScrollable);
  document.addEventListener("htmx:afterSettle", makeScrollable);

  // After a sign-out the response is the sign-in page: reload the page instead of showing it inside a panel.
  document.addEventListener("htmx:beforeSwap", function (event) {
    var address = event.detail.xhr.responseURL || "";
    if (address.indexOf("/login/") !== -1) {
      event.detail.shouldSwap = false;
      window.location.reload();
    }
  });
})();
