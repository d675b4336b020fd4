import { render } from 'preact';
import 'uplot/dist/uPlot.min.css';
import './style.css';
import { App } from './app';
import { Live } from './live';
import { current_state, dispatch } from './store';

render(<App />, document.getElementById('app')!);
new Live(dispatch, current_state).start();
