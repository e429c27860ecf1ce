/**
 * Markdown as elements, never as HTML: tags in the text are shown as text or dropped, addresses other than
 * http(s) and mailto lead nowhere, and no image is fetched (its address could carry what the agent has read).
 */
import ReactMarkdown, { type Components } from 'react-markdown'
import rehypeSanitize, { defaultSchema } from 'rehype-sanitize'
import remarkGfm from 'remark-gfm'

const schema = {
  ...defaultSchema,
  protocols: { ...defaultSchema.protocols, href: ['http', 'https', 'mailto'] },
}

const components: Components = {
  a: ({ href, children }) =>
    href === undefined || href === '' ? (
      <span>{children}</span>
    ) : (
      <a href={href} target="_blank" rel="noopener noreferrer nofollow">
        {children}
      </a>
    ),
  img: ({ alt, src }) => (
    <span className="muted">
      [image: {alt || 'no description'}
      {typeof src === 'string' && src !== '' ? ` at ${src}` : ''}]
    </span>
  ),
  // Wide content scrolls in itself, and by keys too.
  table: ({ children }) => (
    <div className="wide" tabIndex={0} role="region" aria-label="Table">
      <table>{children}</table>
    </div>
  ),
  pre: ({ children }) => <pre tabIndex={0}>{children}</pre>,
  // Headings of an answer stand below those of the page.
  h1: ({ children }) => <h3>{children}</h3>,
  h2: ({ children }) => <h4>{children}</h4>,
  h3: ({ children }) => <h5>{children}</h5>,
  h4: ({ children }) => <h6>{children}</h6>,
}

const remarkPlugins = [remarkGfm]
const rehypePlugins: [typeof rehypeSanitize, typeof schema][] = [[rehypeSanitize, schema]]

const Markdown = ({ text }: { text: string }) => (
  <ReactMarkdown remarkPlugins={remarkPlugins} rehypePlugins={rehypePlugins} components={components}>
    {text}
  </ReactMarkdown>
)
// oxlint-disable-next-line import/no-default-export -- what React.lazy takes
export default Markdown
