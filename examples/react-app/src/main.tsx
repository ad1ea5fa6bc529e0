import { SessionProvider } from 'relatch/react';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './app.tsx';
import { auth } from './auth.ts';
import './style.css';

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <SessionProvider client={auth}>
      <App />
    </SessionProvider>
  </StrictMode>,
);
