// To come.

export const view = {
  title: "page.tab.devices",
  open() {
    return { close() {} };
  },
};
