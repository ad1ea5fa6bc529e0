/** One origin for the page, Relatch and the API: what a reverse proxy does in production. */
import react from '@vitejs/plugin-react';
import { defineConfig, type ProxyOptions } from 'vite';

const { RELATCH_URL = 'http://localhost:8080', API_URL = 'http://localhost:4000' } = process.env;

const proxy: Record<string, ProxyOptions> = {
  '/auth/': { target: RELATCH_URL },
  '/api/': { target: API_URL, rewrite: (path) => path.slice('/api'.length) },
};

export default defineConfig({
  plugins: [react()],
  // `relatch` is a link into this repository, and would bring the React it is tested with.
  resolve: { dedupe: ['react', 'react-dom'] },
  server: { proxy },
  preview: { proxy },
});
