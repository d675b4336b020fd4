import { defineConfig } from 'vite';

// File names carry no hash: the daemon embeds a fixed list of files and answers with an ETag.
// Addresses are relative, so that the dashboard also works behind a proxy's prefix.
export default defineConfig({
  base: './',
  esbuild: { jsx: 'automatic', jsxImportSource: 'preact', legalComments: 'none' },
  build: {
    target: 'es2020',
    modulePreload: false,
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    rollupOptions: {
      output: {
        entryFileNames: 'assets/headroom.js',
        chunkFileNames: 'assets/[name].js',
        assetFileNames: 'assets/headroom[extname]',
      },
    },
  },
  // `npm run dev` shows the page of this checkout with the numbers of a running daemon.
  server: { proxy: { '/api': process.env.HEADROOM_URL ?? 'http://127.0.0.1:8000' } },
});
