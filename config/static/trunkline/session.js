// A form that is submitted after its session has ended stays on its page. Nothing is stored, and nothing is sent again
// by itself: the user signs in in another tab and submits the form once more, under the same name.
(function () {
  "use strict";

  var QUESTION = "/admin/session/";
  var PATIENCE = 10000; // milliseconds; then the form is sent as if nobody had asked
  var DOUBLE_CLICK = 1000; // milliseconds within which the second click on a slow machine comes
  var waiting = null; // the form that was kept
  var owner = null; // the mark of the user to whom the page was shown
  var sent = new WeakMap(); // forms, and when the browser began to send them

  // Return what the server says of the session; null if it says nothing of use, or not in time. Fail if it cannot be
  // reached. The header marks a request that is no activity of the user.
  function ask() {
    var limit = new AbortController();
    var timer = setTimeout(function () { limit.abort(); }, PATIENCE);
    var asked = fetch(QUESTION, {
      headers: { "HX-Request": "true" }, cache: "no-store", credentials: "same-origin", signal: limit.signal
    });
    return asked.then(function (answer) { return answer.ok ? answer.json() : null; }).catch(function (error) {
      if (error instanceof TypeError) throw error; // how a browser says that nothing answers
      return null;
    }).finally(function () { clearTimeout(timer); });
  }

  function isKept(form) {
    return form.method === "post" && form.id !== "login-form" && form.querySelector("[name=csrfmiddlewaretoken]") !== null;
  }

  function say(form, text, link) {
    var box = document.getElementById("session-ended");
    if (!box) {
      box = document.createElement("p");
      box.id = "session-ended";
      box.className = "tl-alert tl-a-warning";
      box.setAttribute("role", "alert");
    }
    if (form.isConnected) form.before(box);
    else (document.querySelector("main") || document.body).prepend(box);
    box.textContent = text;
    if (link) {
      var at = document.createElement("a");
      at.href = "/admin/login/";
      at.target = "_blank";
      at.rel = "noopener";
      at.textContent = word("sign-in");
      box.append(" ", at);
    }
    box.scrollIntoView({ block: "center" });
  }

  function keep(form, answer) {
    waiting = form;
    if (answer.user) {
      say(form, word("another-user"), true);
    } else {
      say(form, word("session-ended"), true);
    }
  }

  // The button that was pressed, or the one that the page has put in its place meanwhile.
  function current(form, pressed) {
    if (pressed.isConnected && pressed.form === form) return pressed;
    return Array.prototype.find.call(form.elements, function (each) {
      return each.type === "submit" && each.name === pressed.name && each.value === pressed.value;
    });
  }

  function send(form, pressed, token) {
    var button = pressed && form.isConnected ? current(form, pressed) : null;
    if (!form.isConnected || (pressed && !button)) {
      say(form, word("page-changed"));
      return;
    }
    var box = document.getElementById("session-ended");
    if (box) box.remove();
    waiting = null;
    form.querySelectorAll("[name=csrfmiddlewaretoken]").forEach(function (field) { field.value = token; });
    form.dataset.checked = "yes";
    try {
      form.requestSubmit(button);
    } finally {
      delete form.dataset.checked;
    }
  }

  function stop(event) {
    event.preventDefault();
    event.stopImmediatePropagation();
  }

  // Before all other listeners: to them the form is submitted once, when it is sent.
  document.addEventListener("submit", function (event) {
    var form = event.target;
    if (form.dataset.checked || !isKept(form)) return;
    if (performance.now() - sent.get(form) < DOUBLE_CLICK) { // a second request would abort the first one
      stop(event);
      return;
    }
    if (owner === null) return;
    stop(event);
    if (form.dataset.asking) return; // clicked twice
    form.dataset.asking = "yes";
    var pressed = event.submitter;
    ask().finally(function () { delete form.dataset.asking; }).then(
      function (answer) {
        if (answer && answer.user !== owner) keep(form, answer);
        else send(form, pressed, answer ? answer.token : form.querySelector("[name=csrfmiddlewaretoken]").value);
      },
      function () { say(form, word("no-server")); }
    );
  }, true);

  // After all other listeners: the browser sends what none of them has stopped.
  window.addEventListener("submit", function (event) {
    if (!event.defaultPrevented && isKept(event.target)) sent.set(event.target, performance.now());
  });

  // Back from the other tab.
  document.addEventListener("visibilitychange", function () {
    if (document.hidden || !waiting) return;
    ask().then(function (answer) {
      if (!answer) return;
      if (answer.user === owner) say(waiting, word("signed-in-again"));
      else keep(waiting, answer);
    }, function () {});
  });

  document.addEventListener("DOMContentLoaded", function () {
    if (!Array.prototype.some.call(document.forms, isKept)) return;
    ask().then(function (answer) { if (answer && answer.user) owner = answer.user; }, function () {});
  });
})();
