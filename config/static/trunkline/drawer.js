// Links with data-drawer open in a drawer beside the page. Without this script they open their own page.
(function () {
  "use strict";

  var opener = ""; // the id of the link: a refresh may have replaced the link meanwhile

  document.addEventListener("click", function (event) {
    var link = event.target.closest("a[data-drawer]");
    var drawer = document.getElementById("drawer");
    if (!link || !drawer || !window.htmx) return;
    if (event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    opener = link.id;
    document.getElementById("drawer-title").textContent = word("explanation");
    document.getElementById("drawer-body").textContent = word("loading");
    drawer.showModal();
    window.htmx.ajax("GET", link.href, { source: "#drawer-body", target: "#drawer-body", swap: "innerHTML" })
      .catch(function () {}); // the drawer was closed, or htmx has reported the error
  });

  // The heading of the loaded part becomes the heading of the drawer.
  document.addEventListener("htmx:afterSwap", function (event) {
    var title = event.detail.target.id === "drawer-body" && event.detail.target.querySelector("[data-drawer-title]");
    if (!title) return;
    document.getElementById("drawer-title").textContent = title.textContent;
    title.remove();
  });

  document.addEventListener("DOMContentLoaded", function () {
    var drawer = document.getElementById("drawer");
    if (!drawer) return;
    drawer.addEventListener("click", function (event) {
      if (event.target === drawer) drawer.close(); // a click on the backdrop
    });
    drawer.addEventListener("close", function () {
      var body = document.getElementById("drawer-body");
      window.htmx.trigger(body, "htmx:abort"); // an answer on its way would fill the closed drawer
      body.textContent = ""; // stops panels in the closed drawer from refreshing
      var link = document.getElementById(opener);
      if (link) link.focus();
    });
  });
})();
