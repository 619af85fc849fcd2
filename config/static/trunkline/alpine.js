// Alpine's build without eval refuses some expressions in the admin theme's templates: names of the window, `if`, and
// two statements in one attribute. This file supplies or rewrites them. Load it before Alpine; see docs/third-party.md.
(function () {
  "use strict";

  // The parts of the window that the theme's attributes use.
  var page = {
    window: {
      location: {
        get pathname() { return window.location.pathname; },
        get search() { return window.location.search; },
        get hash() { return window.location.hash; },
        set href(address) { window.location.href = address; },
      },
    },
    localStorage: {
      getItem: function (key) { return window.localStorage.getItem(key); },
    },
    // The body's x-init: open the tab named in the address, and remember whether the sidebar is open.
    startPage: function () {
      if (this.activeTab) this.activeTab = window.getCurrentTab() || this.activeTab;
      this.$watch("sidebarDesktopOpen", function (open) {
        window.localStorage.setItem("sidebarDesktopOpen", open ? "1" : "0");
      });
    },
  };

  document.addEventListener("alpine:init", function () {
    window.Alpine.data("theme", function (theme) { return Object.assign(window.theme(theme), page); });
    ["searchForm", "searchDropdown", "searchCommand"].forEach(function (name) {
      window.Alpine.data(name, window[name]);
    });
    document.body.setAttribute("x-init", "startPage()");
    // Rewrite "if (ready) go()" as "ready && go()".
    document.querySelectorAll("[x-on\\:keydown\\.enter\\.prevent]").forEach(function (field) {
      var words = field.getAttribute("x-on:keydown.enter.prevent").replace(/^if \((.+?)\) /, "$1 && ");
      field.setAttribute("x-on:keydown.enter.prevent", words);
    });
  });
})();
