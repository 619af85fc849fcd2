// What the admin theme's templates write and Alpine's build without eval refuses: names of the window, `if`, two
// statements in one attribute. Loaded before Alpine; see docs/third-party.md.
(function () {
  "use strict";

  // The parts of the window that the theme's attributes name.
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
    // The body's x-init: the tab that the address names, and a sidebar that stays as it was left.
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
    // "if (ready) go()" is "ready && go()".
    document.querySelectorAll("[x-on\\:keydown\\.enter\\.prevent]").forEach(function (field) {
      var words = field.getAttribute("x-on:keydown.enter.prevent").replace(/^if \((.+?)\) /, "$1 && ");
      field.setAttribute("x-on:keydown.enter.prevent", words);
    });
  });
})();
