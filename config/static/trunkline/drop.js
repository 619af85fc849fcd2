// File fields: drop or choose a file, show its name and size, and refuse what the server would refuse.
(function () {
  "use strict";

  // The theme writes the name of a chosen file into the next text field. This stops it.
  document.querySelectorAll("[data-drop] input[type=file]").forEach(function (input) { input.hasChangeListener = true; });

  function sizeText(bytes) {
    if (bytes < 1024) return bytes + " bytes";
    if (bytes < 1024 * 1024) return Math.round(bytes / 1024) + " KB";
    return (bytes / 1024 / 1024).toFixed(1) + " MB";
  }

  function faultOf(zone, file) {
    var name = file.name.toLowerCase();
    var known = zone.dataset.suffixes.split(",").some(function (suffix) { return name.endsWith(suffix); });
    if (!known) return zone.dataset.wrongType;
    return file.size > Number(zone.dataset.limit) ? zone.dataset.tooLarge : "";
  }

  function look(zone) {
    var input = zone.querySelector("input[type=file]");
    var said = zone.querySelector("[data-drop-said]");
    var file = input.files[0];
    var fault = file ? faultOf(zone, file) : "";
    input.setCustomValidity(fault);
    said.textContent = "";
    zone.classList.toggle("tl-has-file", Boolean(file) && !fault);
    if (!file) return;
    var name = document.createElement("strong");
    name.textContent = file.name;
    said.append(name, " (" + sizeText(file.size) + ") ");
    if (fault) {
      var why = document.createElement("span");
      why.className = "tl-bad";
      why.textContent = fault;
      said.append(why);
      return;
    }
    // A new list is named after its file until the user changes the name.
    var named = document.querySelector("[data-named-by-file] input");
    if (named && (!named.value || named.value === named.dataset.byFile)) {
      named.value = named.dataset.byFile = file.name.replace(/\.[^.]*$/, "").slice(0, 200);
    }
  }

  document.addEventListener("dragover", function (event) {
    var zone = event.target.closest("[data-drop]");
    event.preventDefault();  // a file dropped beside the zone must not replace the page
    document.querySelectorAll("[data-drop]").forEach(function (each) { each.classList.toggle("tl-over", each === zone); });
  });
  document.addEventListener("dragleave", function (event) {
    var zone = event.target.closest("[data-drop]");
    if (zone && !zone.contains(event.relatedTarget)) zone.classList.remove("tl-over");
  });
  document.addEventListener("drop", function (event) {
    var zone = event.target.closest("[data-drop]") || document.querySelector("[data-drop]");
    event.preventDefault();
    if (!zone) return;
    zone.classList.remove("tl-over");
    if (!event.dataTransfer || !event.dataTransfer.files.length) return;
    zone.querySelector("input[type=file]").files = event.dataTransfer.files;
    look(zone);
  });

  // Fields that are shown only while another field is ticked, or while it is empty.
  function uncover() {
    document.querySelectorAll("[data-shown-with]").forEach(function (part) {
      part.hidden = !document.getElementById(part.dataset.shownWith).checked;
    });
    document.querySelectorAll("[data-shown-without]").forEach(function (part) {
      part.hidden = document.getElementById(part.dataset.shownWithout).value !== "";
    });
  }

  document.addEventListener("change", function (event) {
    var zone = event.target.closest("[data-drop]");
    if (zone) look(zone);
    uncover();
  });
  document.addEventListener("htmx:afterSettle", uncover);
  document.addEventListener("input", function (event) {
    var limit = Number(event.target.dataset.bytes);
    if (limit) event.target.setCustomValidity(new Blob([event.target.value]).size > limit ? event.target.dataset.tooLong : "");
  });

  // Submit the form once, however often the button is pressed.
  document.addEventListener("submit", function (event) {
    var form = event.target.closest("form[data-once]");
    if (!form) return;
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "yes";
    var button = event.submitter;
    if (button && button.dataset.onceSaid) button.textContent = button.dataset.onceSaid;
  });
  window.addEventListener("pageshow", function (event) {
    if (event.persisted) window.location.reload();
    document.querySelectorAll("[data-drop]").forEach(function (zone) {
      if (zone.querySelector("input[type=file]").files.length) look(zone);  // without a file, the server's message stays
    });
    uncover();
  });
})();
